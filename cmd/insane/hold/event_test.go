package hold

import (
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/watchdog"
)

// many is how many packets are held when something happens.
const many = 1000

// change sets a policy, without another seed.
func (s *stream) change(t *testing.T, text string) {
	t.Helper()
	labtest.Set(t, s.bed.Daemon, s.bed.Change(text))
}

// TestChangeWhileHeld: with a new policy no held packet waits longer than one that arrives now,
// and order is kept, also with the packets that come after the change.
func TestChangeWhileHeld(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		for _, c := range []struct{ before, after string }{
			{"delay 1h", "pass"},
			{"delay 1h", "percent 100"},
			{"delay 1h", "delay 10ms"},
			{"delay 1h", "duplicate 0"},
			{"delay 1h", "rate 1gbit queue 1h"},
			{"delay 1h", "slot 10ms"},
			{"rate 1kbit queue 10h", "pass"},
			{"rate 1kbit queue 10h", "rate 100mbit queue 10h"},
			{"slot 1h", "pass"},
			{"delay 1h jitter 1s normal each", "delay 20ms jitter 10ms"},
		} {
			t.Run(c.before+" to "+c.after, func(t *testing.T) {
				s := newStream(t, b, 64)
				_, a := b.Begin(t, c.before, 1)
				if c.before[:4] == "rate" { // the head of the link takes half a second
					for range many / testbed.Window {
						s.send(t, testbed.Window, 0)
						a.Await(t, len(s.sent))
					}
					labtest.Await(t, "packets to be held", func() bool { return b.Stats(t).Held.Packets > many/2 })
				} else {
					s.hold(t, many)
				}
				s.change(t, c.after)
				s.send(t, 50, 0)
				s.inOrder(t, s.receive(t, len(s.sent)), 0)
				s.holds(t, 0)
				s.silent(t)
			})
		}
	})
}

// TestLongerDelayWhileHeld: a longer delay does not touch what is held. What comes later waits
// behind it, for longer.
func TestLongerDelayWhileHeld(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		s := newStream(t, b, 64)
		const short, long = 2 * time.Second, 4 * time.Second
		b.Begin(t, "delay "+short.String(), 1)
		s.hold(t, 100)
		s.change(t, "delay "+long.String())
		s.send(t, 100, 0)
		list := s.arrive(t, 0, 200, short)
		s.notBefore(t, list[100:], long)
		if took := list[99].at.Sub(s.sent[99]); took >= long {
			t.Errorf("a held packet took %v, although it was to wait for %v", took, short)
		}
	})
}

// TestKernelPathComesBack: after a change to a policy that the kernel can do, the fast path
// opens when all that was held has left, and no packet overtakes another.
func TestKernelPathComesBack(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		s := newStream(t, b, 64)
		for round := range 10 {
			first := len(s.sent)
			b.Begin(t, "delay 1h", uint64(round))
			s.hold(t, 200)
			done := make(chan struct{})
			go func() {
				defer close(done)
				time.Sleep(2 * time.Millisecond)
				s.change(t, "pass")
			}()
			s.send(t, 400, 10*time.Microsecond)
			<-done
			s.send(t, 100, 0)
			s.inOrder(t, s.receive(t, 700), first)
			testbed.AwaitPaths(t, b.Daemon, "kernel")
			before := len(s.sent)
			s.send(t, 10, 0)
			s.inOrder(t, s.receive(t, 10), before)
		}
	})
}

// TestManyChanges: a change of the policy every 20 ms, with packets held, loses, doubles and
// reorders none; what finds no room in front of the device or in the cable is counted. The long
// form makes 1000 changes at random, ten a second, while the packets of 100 ms and more are held.
func TestManyChanges(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		s := newStream(t, b, 64)
		rounds, pause, burst, underWay := 50, 20*time.Millisecond, 20, testbed.UnderWay
		texts := []string{"delay 50ms", "delay 5ms", "rate 50mbit queue 1h delay 20ms", "pass", "delay 20ms jitter 10ms", "slot 3ms 9ms", "percent 100"}
		if testbed.Long(t) {
			rounds, pause, burst, underWay = testbed.Soak(t, 1000), 100*time.Millisecond, 100, 1<<15
			texts = append(texts, "delay 100ms", "delay 150ms", "delay 120ms jitter 20ms normal each", "rate 1gbit queue 1h delay 100ms")
		}
		random := testbed.Seeded(t)
		b.Begin(t, "delay 100ms", 1)
		ended, slowest := make(chan struct{}), time.Duration(0)
		go func() {
			defer close(ended)
			for range rounds {
				began := time.Now()
				s.change(t, texts[random.IntN(len(texts))])
				slowest = max(slowest, time.Since(began))
				time.Sleep(pause)
			}
		}()
		began := time.Now()
		list, lost := s.flow(t, burst, underWay, func() bool {
			select {
			case <-ended:
				return false
			default:
				return true
			}
		})
		t.Logf("%d changes, the slowest in %v; %d packets, %.0f a second, %d of them found no room",
			rounds, slowest, len(s.sent), float64(len(s.sent))/time.Since(began).Seconds(), lost)
		if slowest < watchdog.Limit/2 {
			s.ascending(t, list)
		} else {
			t.Log("the order is not looked at: the kernel may have taken the daemon for dead, and passed packets on")
		}
		s.silent(t)
	})
}
