package hold

import (
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
)

// TestJitter: no packet arrives before the time that was drawn for it. Order is kept, unless
// the policy says otherwise.
func TestJitter(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		for _, c := range []struct {
			text  string
			order bool
		}{
			{"delay 20ms jitter 10ms", true},
			{"delay 20ms jitter 10ms normal each", true},
			{"delay 20ms jitter 5ms pareto every 3ms correlation 50", true},
			{"delay 20ms jitter 10ms reordering", false},
		} {
			t.Run(c.text, func(t *testing.T) {
				const count = 1000
				s := newStream(t, b, 64)
				program, _ := b.Begin(t, c.text, 3)
				s.send(t, count, 300*time.Microsecond)
				list := s.receive(t, count)
				seen, last, overtaken := map[int]bool{}, -1, 0
				for _, a := range list {
					s.whole(t, a)
					if seen[a.number] {
						t.Errorf("packet %d came twice", a.number)
					}
					seen[a.number] = true
					if a.number < last {
						overtaken++
					}
					last = max(last, a.number)
					if program.DelaySlice != 0 {
						continue // the slice depends on the arrival at the device
					}
					if drawn, took := time.Duration(program.Decide(0, uint64(a.number)).Delay), a.at.Sub(s.sent[a.number]); took < drawn {
						t.Errorf("packet %d took %v, less than %v", a.number, took, drawn)
					}
				}
				if (overtaken == 0) != c.order {
					t.Errorf("%d packets were overtaken", overtaken)
				}
			})
		}
	})
}
