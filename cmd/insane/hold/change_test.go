package hold

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestCopies: each packet arrives as often as the engine says, and copies are equal in every
// byte; with a delay, too.
func TestCopies(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		for _, text := range []string{"duplicate 30 copies 2", "duplicate 100", "duplicate 30 delay 5ms", "percent 80 duplicate 50 copies 3 delay 5ms jitter 2ms each reordering"} {
			t.Run(text, func(t *testing.T) {
				const count = 400
				s := newStream(t, b, 700)
				before := b.Stats(t).Copied.Packets
				program, _ := b.Begin(t, text, 5)
				s.super(t, 40)
				s.send(t, count-40, 0)
				want, total, copies := map[int]int{}, 0, 0
				for i := range count {
					if v := program.Decide(0, uint64(i)); !v.Lost() {
						want[i] = 1 + int(v.Copies)
						total, copies = total+want[i], copies+int(v.Copies)
					}
				}
				got := map[int]int{}
				for _, a := range s.receive(t, total) {
					s.whole(t, a)
					got[a.number]++
				}
				for i := range count {
					if got[i] != want[i] {
						t.Errorf("packet %d came %d times, want %d", i, got[i], want[i])
					}
				}
				counts(t, b, "copies", copies, func(s api.Stats) uint64 { return s.Copied.Packets - before })
				s.silent(t)
			})
		}
	})
}

// TestReorder: each chosen packet leaves behind exactly as many later ones as the policy says,
// and all others stay in order. A packet that others did not follow for 100 ms may leave before.
func TestReorder(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		for text, extent := range map[string]int{"reorder 2": 1, "reorder 2 by 5": 5, "reorder 5 by 3 delay 10ms": 3} {
			t.Run(text, func(t *testing.T) {
				const count = 1000
				s := newStream(t, b, 64)
				program, _ := b.Begin(t, text, 11)
				s.send(t, count/2, 0)
				s.super(t, 40)
				s.send(t, count/2-40, 0)
				moved := func(n int) bool { return program.Decide(0, uint64(n)).Behind != 0 }
				var passed []int // those that are not reordered, in the order in which they came
				for _, a := range s.receive(t, count) {
					s.whole(t, a)
					if !moved(a.number) {
						if len(passed) > 0 && a.number < passed[len(passed)-1] {
							t.Errorf("packet %d came behind %d", a.number, passed[len(passed)-1])
						}
						passed = append(passed, a.number)
						continue
					}
					from, _ := slices.BinarySearch(passed, a.number)
					late, last := len(passed)-from, a.number // the last packet that it let pass
					for n := 0; n < extent && last < count; {
						if last++; !moved(last) {
							n++
						}
					}
					followed := last+1 < count && s.sent[last+1].Sub(s.sent[a.number]) < 100*time.Millisecond
					if late > extent || late < extent && followed {
						t.Errorf("packet %d came behind %d later ones, want %d", a.number, late, extent)
					}
				}
			})
		}
	})
}

// TestMarks: what a stage would lose arrives with a mark if it says that it can be marked, and
// is lost otherwise.
func TestMarks(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		const count, ect, ce = 200, 2, 3
		for _, capable := range []bool{true, false} {
			s := newStream(t, b, 64)
			testbed.SetOption(t, s.In, unix.SOL_IP, unix.IP_RECVTOS, 1)
			tos := 0
			if capable {
				tos = ect
			}
			testbed.SetOption(t, s.Out, unix.SOL_IP, unix.IP_TOS, tos)
			program, _ := b.Begin(t, "percent 60 ecn", 13)
			before := b.Stats(t)
			s.send(t, count, 0)
			lost := 0
			for i := range count {
				if program.Decide(0, uint64(i)).By != 0 && !capable {
					lost++
				}
			}
			list := s.receive(t, count-lost)
			for _, a := range list {
				want := tos
				if program.Decide(0, uint64(a.number)).By != 0 {
					want = ce
				}
				if a.tos != want {
					t.Errorf("packet %d has the mark %d, want %d", a.number, a.tos, want)
				}
			}
			now := b.Stats(t)
			labtest.Await(t, "the last packet to be counted", func() bool {
				now = b.Stats(t)
				return now.Relayed.Packets >= before.Relayed.Packets+uint64(count-lost)
			})
			marked, dropped := now.Marked["percent"].Packets-before.Marked["percent"].Packets, now.Stages["percent"].Packets-before.Stages["percent"].Packets
			if capable && (marked == 0 || dropped != 0) || !capable && (marked != 0 || dropped == 0) {
				t.Errorf("capable %v: %d marked, %d dropped", capable, marked, dropped)
			}
		}
	})
}
