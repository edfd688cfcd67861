package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// gone waits until the device has noticed that its slave went.
func gone(t testing.TB, l *lab.Lab, d *lab.Daemon) {
	t.Helper()
	eventually(t, "the slave to be gone", func() bool { return info(t, d).SlaveState == api.SlaveGone })
	awaitCarrier(t, l, false)
}

// back waits until the device has its slave again, with all that belongs to it.
func back(t testing.TB, l *lab.Lab, d *lab.Daemon) {
	t.Helper()
	eventually(t, "the slave to be back", func() bool { return info(t, d).SlaveState == api.SlaveUp })
	awaitCarrier(t, l, true)
	awaitRoutes(t, l)
}

// TestSlaveDeleted deletes the slave and makes it again, with an index of its
// own or the very same one.
func TestSlaveDeleted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := newDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--route", "fd00:9::2")
	descriptors := openDescriptors(t, d.PID())
	for round := range soak(t, 50) {
		index := linkOf(t, l.Borea, "eth0").Attrs().Index
		unplug(t, l, "eth0")
		gone(t, l, d)
		if round == 0 {
			idle(t, d)
		}
		plug(t, l, "eth0", index*(round%2)) // 0 in even rounds
		back(t, l, d)
		relays(t, l, d.Client)
	}
	sameDescriptors(t, d.PID(), descriptors)
	if lines := strings.Count(d.Logs(), "\n"); lines > 10*soak(t, 50) {
		t.Errorf("%d lines of log for %d rounds:\n%s", lines, soak(t, 50), d.Logs())
	}
}

// TestSlaveExchanged makes a new link of the same name and index before the
// daemon can look: nothing but the packet socket tells one from the other.
func TestSlaveExchanged(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := newDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--route", "fd00:9::2")
	index := linkOf(t, l.Borea, "eth0").Attrs().Index
	for range soak(t, 20) {
		pause(t, d, func() {
			unplug(t, l, "eth0")
			plug(t, l, "eth0", index)
		})
		eventually(t, "the slave to be up", func() bool {
			i := info(t, d)
			return i.SlaveState == api.SlaveUp && macOf(t, l, "insane") == macOf(t, l, "eth0")
		})
		back(t, l, d)
		relays(t, l, d.Client)
	}
}

// pause keeps the daemon from seeing what happens until all of it has.
func pause(t testing.TB, d *lab.Daemon, what func()) {
	t.Helper()
	if err := syscall.Kill(d.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(d.PID(), syscall.SIGCONT)
	what()
}

func macOf(t testing.TB, l *lab.Lab, name string) string {
	t.Helper()
	return linkOf(t, l.Borea, name).Attrs().HardwareAddr.String()
}

// TestSlaveMoved: a link that goes to another namespace is gone from this one.
func TestSlaveMoved(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := newDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--route", "fd00:9::2")
	elsewhere, home := namespaceOf(t, l.Morgana), namespaceOf(t, l.Borea)
	defer elsewhere.Close()
	defer home.Close()
	for range soak(t, 5) {
		if err := l.Borea.Netlink().LinkSetName(linkOf(t, l.Borea, "eth0"), "away"); err != nil {
			t.Fatal(err)
		}
		if err := l.Borea.Netlink().LinkSetNsFd(linkOf(t, l.Borea, "away"), int(elsewhere.Fd())); err != nil {
			t.Fatal(err)
		}
		gone(t, l, d)
		if err := l.Morgana.Netlink().LinkSetNsFd(linkOf(t, l.Morgana, "away"), int(home.Fd())); err != nil {
			t.Fatal(err)
		}
		name := info(t, d).Slave // it was renamed before it left, if there was time to see that
		if name != "away" && name != "eth0" {
			t.Fatalf("slave is %q", name)
		}
		if err := l.Borea.Netlink().LinkSetName(linkOf(t, l.Borea, "away"), name); err != nil && name != "away" {
			t.Fatal(err)
		}
		furnishLink(t, l.Borea, name, "10.9.0.1/24", "fd00:9::1/64")
		back(t, l, d)
		relays(t, l, d.Client)
		if err := l.Borea.Netlink().LinkSetName(linkOf(t, l.Borea, name), "eth0"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGoneSlaveCounts: while the slave is gone every packet is counted as lost
// for just that reason, also those that were on their way when it went.
func TestGoneSlaveCounts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := newDaemon(t, l, "--slave", "eth0", "--address", "10.9.0.3/32")
	silence(t, l)
	into := newInjector(t, l, "insane")
	settled := info(t, d).TX.Stats
	for round := range soak(t, 10) {
		unplug(t, l, "eth0")
		gone(t, l, d)
		const n = 300
		into.send(n, 100)
		after, dropped := settledStats(t, d, settled, n)
		if diff := cmp.Diff(map[string]uint64{api.DropSlaveGone: n}, dropped); diff != "" {
			t.Errorf("round %d: dropped (-want +got):\n%s", round, diff)
		}
		plug(t, l, "eth0", 0)
		eventually(t, "carrier", func() bool { return carrierOf(t, l.Borea, "insane") })
		into.send(n, 100)
		settled, dropped = settledStats(t, d, after, n)
		if relayed := settled.Relayed.Packets - after.Relayed.Packets; relayed != n || len(dropped) != 0 {
			t.Errorf("round %d: relayed %d of %d, dropped %v", round, relayed, n, dropped)
		}
	}
	inFlight(t, l, d, into, settled)
}

// inFlight deletes the slave while packets are sent. Where each of them ended
// is a matter of luck; that each is in the counters is not.
func inFlight(t *testing.T, l *lab.Lab, d *lab.Daemon, into *injector, before api.Stats) {
	t.Helper()
	for range soak(t, 10) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			time.Sleep(3 * time.Millisecond)
			unplug(t, l, "eth0")
		}()
		const n = 1000
		into.send(n, 100)
		<-done
		gone(t, l, d)
		after, dropped := settledStats(t, d, before, n)
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
		plug(t, l, "eth0", 0)
		eventually(t, "carrier", func() bool { return carrierOf(t, l.Borea, "insane") })
		before = info(t, d).TX.Stats
	}
}
