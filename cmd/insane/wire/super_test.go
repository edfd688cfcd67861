package wire

import (
	"fmt"
	"math"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// TestSuperFramesOnTheWire: each packet of a super-frame is judged separately.
func TestSuperFramesOnTheWire(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) { superFrames(t, testbed.New(t, path), 50_000) })
}

func superFrames(t *testing.T, b *testbed.Bed, list testbed.Supers) {
	count := int(list)
	for _, family := range []int{4, 6} {
		for i, percent := range []string{"99", "50"} {
			t.Run(fmt.Sprintf("IPv%d/percent%s", family, percent), func(t *testing.T) {
				f := b.NewFlow(t, family)
				testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.Segment)
				program, a := b.Begin(t, "percent "+percent, uint64(90*family+i))
				before := framesOffered(t, b)
				frames := 0
				got := f.Carry(t, a, program, testbed.Cargo{
					Count: count, Size: list.Size,
					Send: func(from, to int) { frames += list.Send(t, f, from, to) },
				})
				testbed.CheckRate(t, count, got, percent)
				checkRuns(t, program, uint64(count))
				crossed, want := framesOffered(t, b)-before, uint64(frames)
				switch {
				case testbed.KernelBefore(t, 6, 2): // cuts UDP in front of a TAP
				case labtest.Cards() && b.Receiving() && crossed > want: // cut for the cable
				case b.Path == api.PathKernel && !b.Receiving() && crossed < want: // those that the TAP never saw
				case crossed != want:
					t.Errorf("%d super-frames were sent, %d frames reached the device", frames, crossed)
				}
			})
		}
	}
	checkChecksums(t, b)
}

// unreadableSupers sends super-frames that no packet socket can return. Each counts as one
// packet that was dropped for that reason, and no part of it arrives; later frames do.
func unreadableSupers(t *testing.T, b *testbed.Bed, list testbed.Supers) {
	for _, family := range []int{4, 6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			f := b.NewFlow(t, family)
			_, a := b.Begin(t, "percent 50", uint64(90*family))
			before := framesOffered(t, b)
			testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.Segment)
			frames := 0
			for from := 0; from < int(list); from += testbed.Window {
				frames += list.Send(t, f, from, min(from+testbed.Window, int(list)))
				a.Await(t, frames)
			}
			f.ExpectNothing(t)
			s := a.Stats(t)
			if n := s.Dropped[api.DropUnreadable].Packets; n != uint64(frames) || s.Offered.Packets != n || s.Overruns != 0 {
				t.Errorf("%d super-frames were sent: %d unreadable of %d packets, %d overruns", frames, n, s.Offered.Packets, s.Overruns)
			}
			if crossed := framesOffered(t, b) - before; crossed != uint64(frames) {
				t.Errorf("%d super-frames were sent, %d frames reached the slave", frames, crossed)
			}
			testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, 0)
			program, a := b.Begin(t, "percent 50", uint64(90*family))
			f.Carry(t, a, program, testbed.Cargo{Count: 1000, Size: testbed.Always(testbed.Segment)})
		})
	}
	checkChecksums(t, b)
}

// checkRuns fails if packets are lost in longer runs than chance explains. At a loss
// probability q, the lengths of runs are geometric with the mean 1/(1-q).
func checkRuns(t testing.TB, program *policy.Program, count uint64) {
	t.Helper()
	lost, runs, last := 0, 0, false
	for seq := range count {
		v := program.Decide(0, seq).Lost()
		if v {
			lost++
			if !last {
				runs++
			}
		}
		last = v
	}
	q := float64(lost) / float64(count)
	mean, want := float64(lost)/float64(runs), 1/(1-q)
	const z = 4.42 // two-sided for probe.Alpha
	if limit := z * math.Sqrt(q) / (1 - q) / math.Sqrt(float64(runs)); math.Abs(mean-want) > limit {
		t.Errorf("lost packets come in runs of %.3f, chance makes %.3f ± %.3f", mean, want, limit)
	}
}

// checkChecksums fails if the receiving kernel found a wrong checksum.
func checkChecksums(t testing.TB, b *testbed.Bed) {
	t.Helper()
	for _, name := range []string{"Ip:InHdrErrors", "Tcp:InCsumErrors", "Udp:InCsumErrors", "Icmp:InCsumErrors"} {
		if n := b.Counter(t, b.To, "snmp", name); n != 0 {
			t.Errorf("%s counts %s %d", b.To.Name, name, n)
		}
	}
	for _, name := range []string{"Ip6InHdrErrors", "Icmp6InCsumErrors", "Udp6InCsumErrors"} {
		if n := b.Counter(t, b.To, "snmp6", name); n != 0 {
			t.Errorf("%s counts %s %d", b.To.Name, name, n)
		}
	}
}
