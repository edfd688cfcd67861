package slave

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestSlaveFlaps sets the slave, or the other end of its cable, down and up in bursts. The
// kernel may merge several changes into one message. In the end insane has the carrier of
// the slave, and packets that were lost meanwhile are counted with that reason.
func TestSlaveFlaps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		end   func(*lab.Lab) *lab.Host
		storm bool
	}{
		{"slave", func(l *lab.Lab) *lab.Host { return l.Borea }, false},
		{"peer", func(l *lab.Lab) *lab.Host { return l.Morgana }, false},
		{"peer in a storm of events", func(l *lab.Lab) *lab.Host { return l.Morgana }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := labtest.New(t)
			d := labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.9.0.3/32")
			testbed.Silence(t, l)
			testbed.AwaitCarrier(t, l, true)
			if tt.storm {
				defer storm(t, l)()
			}
			descriptors, threads := testbed.OpenDescriptors(t, d.PID()), threadsOf(t, d.PID())
			flap(t, l, d, tt.end(l))
			if tt.storm {
				return // there are fewer between two subscriptions
			}
			testbed.SameDescriptors(t, d.PID(), descriptors)
			if now := threadsOf(t, d.PID()); now > threads+4 {
				t.Errorf("%d threads, before there were %d", now, threads)
			}
		})
	}
}

// flap makes bursts of one to four changes, 200 changes in all.
func flap(t *testing.T, l *lab.Lab, d *lab.Daemon, end *lab.Host) {
	t.Helper()
	r, into := testbed.Seeded(t), testbed.NewInjector(t, l, "insane")
	up, mtu := true, 1400
	for changes := 0; changes < testbed.Soak(t, 200); {
		for range 1 + r.IntN(4) {
			up = !up
			labtest.SetUp(t, end, up)
			changes++
		}
		// The device acts on what it saw a moment ago. When it follows a later change, it has
		// seen the end of the burst.
		mtu = 2801 - mtu // 1400 or 1401
		labtest.Must(t, l.Borea.Netlink().LinkSetMTU(labtest.LinkOf(t, l.Borea, lab.Link), mtu))
		testbed.AwaitMTU(t, l, d, mtu)
		testbed.AwaitCarrier(t, l, up)
		state := map[bool]string{true: api.SlaveUp, false: api.SlaveDown}[up]
		labtest.Await(t, "the slave to be "+state, func() bool { return labtest.Info(t, d).SlaveState == state })
		before := labtest.Info(t, d).TX.Stats
		const n = 20
		into.Send(n, 100)
		after, dropped := testbed.SettledStats(t, d, before, n)
		want := map[string]uint64{api.DropSlaveDown: n}
		if up {
			want = map[string]uint64{}
		}
		if diff := cmp.Diff(want, dropped); diff != "" {
			t.Fatalf("with the slave up=%v, dropped (-want +got):\n%s", up, diff)
		}
		if sent := after.Relayed.Packets - before.Relayed.Packets; up && sent != n {
			t.Fatalf("relayed %d of %d", sent, n)
		}
	}
	labtest.SetUp(t, end, true)
	testbed.AwaitCarrier(t, l, true)
}

// storm makes as many messages about other links as it can, until stop is called.
func storm(t *testing.T, l *lab.Lab) (stop func()) {
	t.Helper()
	testbed.PlugSecond(t, l)
	link := labtest.LinkOf(t, l.Borea, "eth1")
	var over atomic.Bool
	var blowing sync.WaitGroup
	events := 0
	blowing.Go(func() {
		for ; !over.Load(); events++ {
			if err := l.Borea.Netlink().LinkSetMTU(link, 1400+events%2); err != nil {
				t.Errorf("storm: %v", err)
				return
			}
		}
	})
	return func() {
		over.Store(true)
		blowing.Wait()
		t.Logf("%d events", events)
	}
}
