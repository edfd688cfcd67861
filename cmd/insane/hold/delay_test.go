package hold

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestConstantDelay: no packet arrives before its time, and all arrive, in order. The counters
// balance while packets wait, and the device says what it has drawn.
func TestConstantDelay(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		for _, delay := range []time.Duration{100 * time.Microsecond, time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond} {
			t.Run(delay.String(), func(t *testing.T) {
				const count = 300
				s := newStream(t, b, 64)
				b.Begin(t, "delay "+delay.String(), 1)
				s.send(t, count, time.Millisecond)
				list := s.receive(t, count)
				s.inOrder(t, list, 0)
				s.notBefore(t, list, delay)
				s.lateness(t, list, delay)
				s.holds(t, 0)
				d := b.Direction(labtest.Info(t, b.Daemon))
				if did := d.Did.Delay; did.Packets != count || did.Mean != uint64(delay) || did.Spread != 0 {
					t.Errorf("drawn: %+v", did)
				}
				if d.Late.Packets != count || d.Late.P50 > d.Late.P99 || d.Late.P99 > d.Late.Worst || d.Late.Worst == 0 {
					t.Errorf("late: %+v", d.Late)
				}
			})
		}
	})
}

// TestSuperFrameIsHeld: a super-frame that waits comes out with all its packets, in order.
func TestSuperFrameIsHeld(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		s := newStream(t, b, 1200)
		b.Begin(t, "delay 30ms", 1)
		for range 10 {
			s.super(t, 20)
		}
		list := s.receive(t, 200)
		s.inOrder(t, list, 0)
		s.notBefore(t, list, 30*time.Millisecond)
	})
}

// TestJitter: no packet arrives before the time that was drawn for it. Order is kept, unless
// the policy says otherwise.
func TestJitter(t *testing.T) {
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
			t.Parallel()
			eachWay(t, func(t *testing.T, b *testbed.Bed) {
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
		})
	}
}

// TestDelayKeepsTaking: a relay that holds packets for longer than the watchdog's limit does
// not count as hanging: the slave's frames stay the device's.
func TestDelayKeepsTaking(t *testing.T) {
	b := testbed.NewReceiver(t)
	const delay = 3 * time.Second
	s := newStream(t, b, 64)
	b.Begin(t, fmt.Sprintf("delay %v", delay), 1)
	s.send(t, 40, 50*time.Millisecond)
	list := s.receive(t, 40)
	s.inOrder(t, list, 0)
	s.notBefore(t, list, delay)
}
