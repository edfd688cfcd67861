package main

import (
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// bridged is a lab whose borea has its addresses on br0, behind which eth0 and a
// guest are.
func bridged(t testing.TB) (*lab.Lab, *lab.Host) {
	t.Helper()
	l := newLab(t)
	secondSubnet(t, l)
	guest := newGuest(t, l, "port0", "10.9.0.5/24", "fd00:9::5/64")
	run(t, l.Borea, "ip", "address", "flush", "dev", lab.Link)
	newBridge(t, l, "br0", lab.Link, "port0")
	furnishLink(t, l.Borea, "br0", "10.9.0.1/24", "fd00:9::1/64")
	stateOf(t, l.Borea) // when addresses are usable
	// Or else it is the kernel's choice as which of her addresses morgana sends.
	run(t, l.Morgana, "ip", "address", "del", "fd00:9::4/64", "dev", lab.Link)
	pingsAll(t, l.Morgana, "10.9.0.1")
	pingsAll(t, guest, "10.9.0.2")
	return l, guest
}

// TestTopologyNearBridge: the slave is a port of a bridge, or the bridge itself,
// while host routes and an address of its own lead through the device: these are
// faulted both ways, and the guest behind another port notices nothing.
func TestTopologyNearBridge(t *testing.T) {
	t.Parallel()
	for _, slave := range []string{lab.Link, "br0"} {
		t.Run(slave, func(t *testing.T) {
			t.Parallel()
			l, guest := bridged(t)
			d := newDaemon(t, l, "--slave", slave, "--route", "10.9.0.2", "--route", "fd00:9::2", "--address", "10.8.0.1/24")
			awaitCarrier(t, l, true)
			b, m := l.Borea, l.Morgana
			for _, h := range []*lab.Host{b, m, guest} {
				run(t, h, "ip", "neigh", "flush", "all")
			}
			pingsAll(t, m, "10.9.0.1", "-I", "10.9.0.4") // the slave's
			pingsAll(t, m, "10.9.0.1")
			pingsAll(t, m, "10.8.0.1")
			pingsAll(t, m, "fd00:9::1")
			for _, address := range []string{"10.9.0.2", "10.9.0.4", "10.8.0.2", "fd00:9::2"} {
				pingsAll(t, b, address)
			}
			for _, address := range []string{"10.9.0.1", "10.9.0.2", "10.9.0.4", "fd00:9::1", "fd00:9::2"} {
				pingsAll(t, guest, address)
			}
			pingsAll(t, m, "10.9.0.5")
			keepNeighbours(t, b, m, guest)
			faults(t, d, "percent 50", "percent 60")
			for _, w := range []way{
				{b, m, "10.9.0.2", 0.5}, {m, b, "10.9.0.1", 0.6},
				{b, m, "fd00:9::2", 0.5}, {m, b, "fd00:9::1", 0.6},
				{b, m, "10.8.0.2", 0.5}, {m, b, "10.8.0.1", 0.6},
				{b, m, "10.9.0.4", 1}, {b, guest, "10.9.0.5", 1}, {guest, b, "10.9.0.1", 1},
				{guest, m, "10.9.0.2", 1}, {m, guest, "10.9.0.5", 1},
				{guest, m, "fd00:9::2", 1}, {m, guest, "fd00:9::5", 1},
			} {
				w.check(t)
			}
			balanced(t, d)
		})
	}
}

// TestTopologyBridgeOfItsOwnMAC: a bridge may have another MAC address than the
// slave, its port. What is for that address is not for the slave's, and stays with
// the bridge, unless the device alone has the address. All works, each frame once.
func TestTopologyBridgeOfItsOwnMAC(t *testing.T) {
	t.Parallel()
	l, guest := bridged(t)
	run(t, l.Borea, "ip", "link", "set", "br0", "address", "02:00:00:00:be:ef")
	d := newDaemon(t, l, "--slave", lab.Link, "--route", "10.9.0.2", "--route", "fd00:9::2", "--address", "10.8.0.1/24")
	awaitCarrier(t, l, true)
	for _, h := range []*lab.Host{l.Borea, l.Morgana, guest} {
		run(t, h, "ip", "neigh", "flush", "all")
	}
	pingsAll(t, l.Morgana, "10.9.0.1")
	pingsAll(t, l.Morgana, "10.9.0.1", "-I", "10.9.0.4")
	pingsAll(t, l.Morgana, "10.9.0.1")
	pingsAll(t, l.Morgana, "fd00:9::1")
	pingsAll(t, l.Morgana, "10.8.0.1")
	pingsAll(t, guest, "10.9.0.2")
	pingsAll(t, guest, "10.9.0.1")
	keepNeighbours(t, l.Borea, l.Morgana, guest)
	faults(t, d, "pass", "percent 60")
	way{l.Morgana, l.Borea, "10.8.0.1", 0.6}.check(t)
	way{guest, l.Morgana, "10.9.0.2", 1}.check(t)
	balanced(t, d)
}

// TestTopologyInBridge: the device is a port of a bridge, as no device with an
// rx_handler could be. In mode all the guest behind another port talks through it
// with the outside, for which the slave has to hear what is addressed to others; in
// mode auto what is for the address of the bridge itself comes through it.
func TestTopologyInBridge(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	secondSubnet(t, l)
	guest := newGuest(t, l, "port0", "10.8.0.5/24")
	d := newDaemon(t, l, "--slave", lab.Link, "--receive", api.ReceiveAll)
	newBridge(t, l, "br1", "port0")
	run(t, l.Borea, "ip", "link", "set", device, "master", "br1", "up")
	furnishLink(t, l.Borea, "br1", "10.8.0.1/24")
	awaitCarrier(t, l, true)
	awaitPromiscuous(t, l, true)
	b, m := l.Borea, l.Morgana
	pingsAll(t, guest, "10.8.0.2")
	pingsAll(t, m, "10.8.0.5")
	pingsAll(t, m, "10.8.0.1")
	pingsAll(t, guest, "10.8.0.1")
	keepNeighbours(t, b, m, guest)
	faults(t, d, "percent 50", "percent 60")
	for _, w := range []way{
		{guest, m, "10.8.0.2", 0.5}, {m, guest, "10.8.0.5", 0.6},
		{b, m, "10.8.0.2", 0.5}, {m, b, "10.8.0.1", 0.6},
		{guest, b, "10.8.0.1", 1}, {b, guest, "10.8.0.5", 1},
	} {
		w.check(t)
	}

	if i := set(t, d, api.Change{Receive: new(api.ReceiveAuto)}); !slices.Contains(i.Takes.To, "10.8.0.1") {
		t.Errorf("takes what is for %q, but not for the bridge's address", i.Takes.To)
	}
	way{m, b, "10.8.0.1", 0.6}.check(t) // to a MAC address that is not the slave's
	pingsAll(t, m, "10.9.0.1")          // the slave's
	balanced(t, d)

	run(t, b, "ip", "link", "set", device, "nomaster")
	awaitPromiscuous(t, l, false)
}

// awaitPromiscuous waits until the slave receives what is addressed to others, or
// does not any more.
func awaitPromiscuous(t testing.TB, l *lab.Lab, want bool) {
	t.Helper()
	eventually(t, "promiscuous mode of the slave to follow", func() bool {
		return (linkOf(t, l.Borea, lab.Link).Attrs().Promisc > 0) == want
	})
	if state := linkOf(t, l.Borea, lab.Link).Attrs().OperState; state != netlink.OperUp {
		t.Errorf("the slave is %s", state)
	}
}
