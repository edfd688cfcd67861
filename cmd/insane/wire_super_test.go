package main

import (
	"fmt"
	"math"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// What the super-frames are like.
const (
	segment    = 1400 // bytes of UDP payload in each packet but the last
	perSuper   = 40   // packets
	superCount = 100_000
)

// superEnd reports whether packet i is the last one of its super-frame. No
// super-frame reaches into the next window, whatever is left of one is a
// shorter super-frame.
func superEnd(i int) bool {
	inWindow := i % window
	return inWindow%perSuper == perSuper-1 || inWindow == window-1 || i == superCount-1
}

// superSize is the payload of packet i in bytes: the last packet of a
// super-frame is shorter, and never twice by the same.
func superSize(i int) int {
	if superEnd(i) {
		return sequence + i%(segment-sequence)
	}
	return segment
}

// sendSuper sends packets [from, to), a super-frame with each system call (udp(7), UDP_SEGMENT).
func (f *flow) sendSuper(t testing.TB, from, to int) (frames int) {
	t.Helper()
	buffer := make([]byte, 0, perSuper*segment)
	for i := from; i < to; i++ {
		end := len(buffer) + superSize(i)
		fill(buffer[len(buffer):end], i)
		buffer = buffer[:end]
		if !superEnd(i) {
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
	b := newTestbed(t)
	for _, family := range []int{4, 6} {
		for i, percent := range []string{"99", "50"} {
			t.Run(fmt.Sprintf("IPv%d/percent%s", family, percent), func(t *testing.T) {
				f := b.newFlow(t, family)
				setOption(t, f.out, unix.SOL_UDP, unix.UDP_SEGMENT, segment)
				program, a := b.begin(t, "percent "+percent, uint64(90*family+i))
				before := b.counters(t, b.Borea, device).TxPackets
				frames := 0
				got := f.carry(t, a, program, cargo{
					count: superCount, size: superSize,
					send: func(from, to int) { frames += f.sendSuper(t, from, to) },
				})
				checkRate(t, superCount, got, percent)
				checkRuns(t, program, superCount)
				// The TAP counts frames. Before 6.2 the kernel cuts UDP in front of it.
				if crossed := b.counters(t, b.Borea, device).TxPackets - before; crossed != uint64(frames) && !kernelBefore(t, 6, 2) {
					t.Errorf("%d super-frames were sent, %d frames reached the device", frames, crossed)
				}
			})
		}
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
		if v == policy.Drop {
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

// checkChecksums fails if morgana's kernel found a wrong checksum.
func (b *testbed) checkChecksums(t testing.TB) {
	t.Helper()
	for _, name := range []string{"Ip:InHdrErrors", "Tcp:InCsumErrors", "Udp:InCsumErrors", "Icmp:InCsumErrors"} {
		if n := b.counter(t, b.Morgana, "snmp", name); n != 0 {
			t.Errorf("morgana counts %s %d", name, n)
		}
	}
	for _, name := range []string{"Ip6InHdrErrors", "Icmp6InCsumErrors", "Udp6InCsumErrors"} {
		if n := b.counter(t, b.Morgana, "snmp6", name); n != 0 {
			t.Errorf("morgana counts %s %d", name, n)
		}
	}
}
