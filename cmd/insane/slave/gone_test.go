package slave

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// back waits until the device has its slave again, with all properties of the slave.
func back(t testing.TB, l *lab.Lab, d *lab.Daemon) {
	t.Helper()
	labtest.Await(t, "the slave to be back", func() bool { return labtest.Info(t, d).SlaveState == api.SlaveUp })
	testbed.AwaitCarrier(t, l, true)
	awaitRoutes(t, l)
}

// TestSlaveDeleted deletes the slave and makes it again, with a new index or with the same
// one.
func TestSlaveDeleted(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--route", "fd00:9::2")
	descriptors := testbed.OpenDescriptors(t, d.PID())
	for round := range testbed.Soak(t, 25) {
		index := labtest.LinkOf(t, l.Borea, "eth0").Attrs().Index
		testbed.Unplug(t, l, "eth0")
		testbed.Gone(t, l, d)
		if round == 0 {
			idle(t, d)
		}
		testbed.Plug(t, l, "eth0", index*(round%2)) // 0 in even rounds
		back(t, l, d)
		testbed.Relays(t, l, d.Client)
	}
	testbed.SameDescriptors(t, d.PID(), descriptors)
	if lines := strings.Count(d.Logs(), "\n"); lines > 10*testbed.Soak(t, 25) {
		t.Errorf("%d lines of log for %d rounds:\n%s", lines, testbed.Soak(t, 25), d.Logs())
	}
}

// TestSlaveExchanged makes a new link of the same name and index before the daemon can
// look. Only the packet socket shows the difference.
func TestSlaveExchanged(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--route", "fd00:9::2")
	index := labtest.LinkOf(t, l.Borea, "eth0").Attrs().Index
	for range testbed.Soak(t, 6) {
		testbed.Pause(t, d, func() {
			testbed.Unplug(t, l, "eth0")
			testbed.Plug(t, l, "eth0", index)
		})
		labtest.Await(t, "the slave to be up", func() bool {
			i := labtest.Info(t, d)
			return i.SlaveState == api.SlaveUp && testbed.MACOf(t, l, "insane") == testbed.MACOf(t, l, "eth0")
		})
		back(t, l, d)
		testbed.Relays(t, l, d.Client)
	}
}

// TestSlaveMoved: a link that is moved to another namespace is gone from this one.
func TestSlaveMoved(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--route", "fd00:9::2")
	elsewhere, home := labtest.NamespaceOf(t, l.Morgana), labtest.NamespaceOf(t, l.Borea)
	defer elsewhere.Close()
	defer home.Close()
	for range testbed.Soak(t, 5) {
		if err := l.Borea.Netlink().LinkSetName(labtest.LinkOf(t, l.Borea, "eth0"), "away"); err != nil {
			t.Fatal(err)
		}
		if err := l.Borea.Netlink().LinkSetNsFd(labtest.LinkOf(t, l.Borea, "away"), int(elsewhere.Fd())); err != nil {
			t.Fatal(err)
		}
		testbed.Gone(t, l, d)
		if err := l.Morgana.Netlink().LinkSetNsFd(labtest.LinkOf(t, l.Morgana, "away"), int(home.Fd())); err != nil {
			t.Fatal(err)
		}
		name := labtest.Info(t, d).Slave // the device may have seen that the link was renamed before it was moved
		if name != "away" && name != "eth0" {
			t.Fatalf("slave is %q", name)
		}
		if err := l.Borea.Netlink().LinkSetName(labtest.LinkOf(t, l.Borea, "away"), name); err != nil && name != "away" {
			t.Fatal(err)
		}
		labtest.Furnish(t, l.Borea, name, "10.9.0.1/24", "fd00:9::1/64")
		back(t, l, d)
		testbed.Relays(t, l, d.Client)
		if err := l.Borea.Netlink().LinkSetName(labtest.LinkOf(t, l.Borea, name), "eth0"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGoneSlaveCounts: while the slave is gone, every packet is counted as lost for this
// reason, also a packet that was on its way when the slave was deleted.
func TestGoneSlaveCounts(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.9.0.3/32")
	testbed.Silence(t, l)
	into := testbed.NewInjector(t, l, "insane")
	settled := labtest.Info(t, d).TX.Stats
	for round := range testbed.Soak(t, 6) {
		testbed.Unplug(t, l, "eth0")
		testbed.Gone(t, l, d)
		const n = 300
		into.Send(n, 100)
		after, dropped := testbed.SettledStats(t, d, settled, n)
		if diff := cmp.Diff(map[string]uint64{api.DropSlaveGone: n}, dropped); diff != "" {
			t.Errorf("round %d: dropped (-want +got):\n%s", round, diff)
		}
		testbed.Plug(t, l, "eth0", 0)
		labtest.Await(t, "carrier", func() bool { return labtest.CarrierOf(t, l.Borea, "insane") })
		into.Send(n, 100)
		settled, dropped = testbed.SettledStats(t, d, after, n)
		if relayed := settled.Relayed.Packets - after.Relayed.Packets; relayed != n || len(dropped) != 0 {
			t.Errorf("round %d: relayed %d of %d, dropped %v", round, relayed, n, dropped)
		}
	}
	inFlight(t, l, d, into, settled)
}

// inFlight deletes the slave while packets are sent. The reason for which each packet is
// lost may vary, but each packet must be in the counters.
func inFlight(t *testing.T, l *lab.Lab, d *lab.Daemon, into *testbed.Injector, before api.Stats) {
	t.Helper()
	for range testbed.Soak(t, 6) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			time.Sleep(3 * time.Millisecond)
			testbed.Unplug(t, l, "eth0")
		}()
		const n = 1000
		into.Send(n, 100)
		<-done
		testbed.Gone(t, l, d)
		after, dropped := testbed.SettledStats(t, d, before, n)
		all := after.Offered.Packets + after.Overruns - before.Offered.Packets - before.Overruns
		if all != n {
			t.Errorf("sent %d, accounted for %d (dropped %v)", n, all, dropped)
		}
		for why := range dropped {
			// Busy: a veth whose other end has just gone says so (drivers/net/veth.c, veth_xmit).
			if why != api.DropSlaveGone && why != api.DropSlaveDown && why != api.DropSlaveBusy {
				t.Errorf("packets were dropped as %s", why)
			}
		}
		testbed.Plug(t, l, "eth0", 0)
		labtest.Await(t, "carrier", func() bool { return labtest.CarrierOf(t, l.Borea, "insane") })
		before = labtest.Info(t, d).TX.Stats
	}
}
