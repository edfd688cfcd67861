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
				late := s.lateness(s.arrive(t, 0, count, delay), delay)
				t.Logf("beyond %v: p50 %v p99 %v worst %v", delay, testbed.Quantile(late, 0.5), testbed.Quantile(late, 0.99), late[count-1])
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
		s.arrive(t, 0, 200, 30*time.Millisecond)
	})
}

// TestDelayKeepsTaking: a relay that holds packets for longer than the watchdog's limit does
// not count as hanging: the slave's frames stay the device's.
func TestDelayKeepsTaking(t *testing.T) {
	b := testbed.NewReceiver(t)
	const delay = 3 * time.Second
	s := newStream(t, b, 64)
	b.Begin(t, fmt.Sprintf("delay %v", delay), 1)
	s.send(t, 40, 50*time.Millisecond)
	s.arrive(t, 0, 40, delay)
}
