package main

import (
	"fmt"
	"math"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// What the super-frames are like.
const (
	segment  = 1400 // bytes of UDP payload in each packet but the last
	perSuper = 40   // packets
)

// supers are so many packets in super-frames.
type supers int

// end reports whether packet i is the last one of its super-frame. No super-frame
// reaches into the next window, whatever is left of one is a shorter super-frame.
func (s supers) end(i int) bool {
	inWindow := i % window
	return inWindow%perSuper == perSuper-1 || inWindow == window-1 || i == int(s)-1
}

// next is the packet that begins the super-frame after the one that i begins.
func (s supers) next(i int) int {
	for ; i < int(s); i++ {
		if s.end(i) {
			return i + 1
		}
	}
	return int(s)
}

// size is the payload of packet i in bytes: the last packet of a super-frame is
// shorter, and never twice by the same.
func (s supers) size(i int) int {
	if s.end(i) {
		return sequence + i%(segment-sequence)
	}
	return segment
}

// send sends packets [from, to), a super-frame with each system call (udp(7), UDP_SEGMENT).
func (s supers) send(t testing.TB, f *flow, from, to int) (frames int) {
	t.Helper()
	buffer := make([]byte, 0, perSuper*segment)
	for i := from; i < to; i++ {
		end := len(buffer) + s.size(i)
		fill(buffer[len(buffer):end], i)
		buffer = buffer[:end]
		if !s.end(i) {
			continue
		}
		if _, err := f.out.Write(buffer); err != nil {
			t.Fatalf("send super-frame that ends with packet %d: %v", i, err)
		}
		buffer = buffer[:0]
		frames++
	}
	return frames
}

// TestSuperFramesOnTheWire: the packets of a super-frame are judged one by one.
func TestSuperFramesOnTheWire(t *testing.T) {
	eachPath(t, func(t *testing.T, path string) { newTestbed(t, path).superFrames(t, 50_000) })
}

func (b *testbed) superFrames(t *testing.T, list supers) {
	count := int(list)
	for _, family := range []int{4, 6} {
		for i, percent := range []string{"99", "50"} {
			t.Run(fmt.Sprintf("IPv%d/percent%s", family, percent), func(t *testing.T) {
				f := b.newFlow(t, family)
				setOption(t, f.out, unix.SOL_UDP, unix.UDP_SEGMENT, segment)
				program, a := b.begin(t, "percent "+percent, uint64(90*family+i))
				before := b.framesOffered(t)
				frames := 0
				got := f.carry(t, a, program, cargo{
					count: count, size: list.size,
					send: func(from, to int) { frames += list.send(t, f, from, to) },
				})
				checkRate(t, count, got, percent)
				checkRuns(t, program, uint64(count))
				crossed, want := b.framesOffered(t)-before, uint64(frames)
				switch {
				case kernelBefore(t, 6, 2): // cuts UDP in front of a TAP
				case b.path == api.PathKernel && !b.receiving() && crossed < want: // those that the TAP never saw
				case crossed != want:
					t.Errorf("%d super-frames were sent, %d frames reached the device", frames, crossed)
				}
			})
		}
	}
	b.checkChecksums(t)
}

// overrunSupers sends super-frames that no socket can hand out: each is an overrun,
// and nothing of any arrives. What follows them does.
func (b *testbed) overrunSupers(t *testing.T, list supers) {
	for _, family := range []int{4, 6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			f := b.newFlow(t, family)
			_, a := b.begin(t, "percent 50", uint64(90*family))
			before := b.framesOffered(t)
			setOption(t, f.out, unix.SOL_UDP, unix.UDP_SEGMENT, segment)
			frames := 0
			for from := 0; from < int(list); from += window {
				frames += list.send(t, f, from, min(from+window, int(list)))
				a.await(t, frames)
			}
			f.expectNothing(t)
			s := a.stats(t)
			if s.Overruns != uint64(frames) || s.Offered != (api.Count{}) {
				t.Errorf("%d super-frames were sent: %d overruns, %d packets offered", frames, s.Overruns, s.Offered.Packets)
			}
			if crossed := b.framesOffered(t) - before; crossed != uint64(frames) {
				t.Errorf("%d super-frames were sent, %d frames reached the slave", frames, crossed)
			}
			setOption(t, f.out, unix.SOL_UDP, unix.UDP_SEGMENT, 0)
			program, a := b.begin(t, "percent 50", uint64(90*family))
			f.carry(t, a, program, cargo{count: 1000, size: always(segment)})
		})
	}
	b.checkChecksums(t)
}

// checkRuns fails if packets are not lost one by one but in longer runs than
// chance makes. Of a chance q, runs are geometric with the mean 1/(1-q).
func checkRuns(t testing.TB, program *policy.Program, count uint64) {
	t.Helper()
	lost, runs, last := 0, 0, policy.Relay
	for seq := range count {
		v := program.Decide(0, seq)
		if v != policy.Relay {
			lost++
			if last == policy.Relay {
				runs++
			}
		}
		last = v
	}
	q := float64(lost) / float64(count)
	mean, want := float64(lost)/float64(runs), 1/(1-q)
	const z = 4.42 // two-sided for lab.Alpha
	if limit := z * math.Sqrt(q) / (1 - q) / math.Sqrt(float64(runs)); math.Abs(mean-want) > limit {
		t.Errorf("lost packets come in runs of %.3f, chance makes %.3f ± %.3f", mean, want, limit)
	}
}

// checkChecksums fails if the receiving kernel found a wrong checksum.
func (b *testbed) checkChecksums(t testing.TB) {
	t.Helper()
	for _, name := range []string{"Ip:InHdrErrors", "Tcp:InCsumErrors", "Udp:InCsumErrors", "Icmp:InCsumErrors"} {
		if n := b.counter(t, b.to, "snmp", name); n != 0 {
			t.Errorf("%s counts %s %d", b.to.Name, name, n)
		}
	}
	for _, name := range []string{"Ip6InHdrErrors", "Icmp6InCsumErrors", "Udp6InCsumErrors"} {
		if n := b.counter(t, b.to, "snmp6", name); n != 0 {
			t.Errorf("%s counts %s %d", b.to.Name, name, n)
		}
	}
}
