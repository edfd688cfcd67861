package hold

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestEndLetsAllLeave: when the daemon is ended by a signal, all that is held leaves, in order.
func TestEndLetsAllLeave(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		s := newStream(t, b, 64)
		b.Begin(t, "delay 1h", 1)
		s.hold(t, many)
		if err := b.Daemon.Stop(); err != nil {
			t.Fatal(err)
		}
		s.inOrder(t, s.receive(t, many), 0)
		if log := b.Daemon.Logs(); strings.Contains(log, "lost") {
			t.Errorf("the log speaks of losses:\n%s", log)
		}
	})
}

// TestKillLeavesNothing: packets that are held when the daemon is killed are lost with it, and
// the host is as before.
func TestKillLeavesNothing(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	s := newStream(t, b, 64)
	b.Begin(t, "delay 1h", 1)
	s.hold(t, many)
	if err := b.Daemon.Kill(); err != nil {
		t.Fatal(err)
	}
	if list := s.rest(t, 300*time.Millisecond); len(list) > 0 {
		t.Errorf("%d packets have arrived", len(list))
	}
}

// TestStoppedDaemon: what was due while the daemon was stopped comes late, once and in order,
// and the device says how late: as a capture of the receiver has it, to one bucket of the
// device's histogram, which is an eighth. No shorter lateness can be compared that closely: the
// device takes the time when it has written, and the capture when the packet has arrived.
func TestStoppedDaemon(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		s := newStream(t, b, 64)
		const delay, stopped, packets = 500 * time.Millisecond, time.Second, 100
		b.Begin(t, "delay "+delay.String(), 1)
		s.send(t, packets, time.Millisecond)
		s.holds(t, packets)
		testbed.Pause(t, b.Daemon, func() { time.Sleep(stopped) })
		seen := s.lateness(s.arrive(t, 0, packets, delay), delay)
		s.silent(t)
		said, sum := b.Direction(labtest.Info(t, b.Daemon)).Late, time.Duration(0)
		for _, late := range seen {
			sum += late
		}
		for _, c := range []struct {
			what string
			said uint64
			seen time.Duration
		}{
			{"median", said.P50, seen[packets/2-1]}, {"p99", said.P99, seen[packets*99/100-1]},
			{"worst", said.Worst, seen[packets-1]}, {"mean", said.Sum / packets, sum / packets},
		} {
			if off := time.Duration(c.said) - c.seen; off.Abs() > c.seen/8 {
				t.Errorf("%s: %v late, the capture says %v", c.what, time.Duration(c.said), c.seen)
			}
		}
		if said.Packets != packets || seen[packets-1] < stopped/4 {
			t.Errorf("%+v, and the latest came %v late", said, seen[packets-1])
		}
	})
}

// TestArrivesWhileStopped: a delay begins when a packet reaches the device, also if the daemon
// reads it much later.
func TestArrivesWhileStopped(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		s := newStream(t, b, 64)
		const delay, stopped, count = 2 * time.Second, 600 * time.Millisecond, 100
		b.Begin(t, "delay "+delay.String(), 1)
		s.hold(t, 1)
		testbed.Pause(t, b.Daemon, func() {
			s.send(t, count, 0)
			time.Sleep(stopped)
		})
		for _, a := range s.arrive(t, 0, 1+count, delay) {
			if took := a.at.Sub(s.sent[a.number]); took > delay+stopped*3/4 {
				t.Fatalf("packet %d took %v, as if it had come when the daemon went on", a.number, took)
			}
		}
	})
}
