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
// and is shown as late.
func TestStoppedDaemon(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		s := newStream(t, b, 64)
		const delay, stopped = 300 * time.Millisecond, 700 * time.Millisecond
		b.Begin(t, "delay "+delay.String(), 1)
		s.hold(t, 100)
		testbed.Pause(t, b.Daemon, func() { time.Sleep(stopped) })
		list := s.receive(t, 100)
		s.inOrder(t, list, 0)
		s.notBefore(t, list, delay)
		if more := s.rest(t, 50*time.Millisecond); len(more) > 0 {
			t.Errorf("%d packets too many", len(more))
		}
		late := time.Duration(b.Direction(labtest.Info(t, b.Daemon)).Late.Worst)
		if late < stopped-delay-100*time.Millisecond {
			t.Errorf("the latest was %v late", late)
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
		list := s.receive(t, 1+count)
		s.inOrder(t, list, 0)
		s.notBefore(t, list, delay)
		for _, a := range list {
			if took := a.at.Sub(s.sent[a.number]); took > delay+stopped*3/4 {
				t.Fatalf("packet %d took %v, as if it had come when the daemon went on", a.number, took)
			}
		}
	})
}
