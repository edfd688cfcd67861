package slave

import (
	"slices"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// bridged is a lab whose borea has its addresses on br0, behind which eth0 and a
// guest are.
func bridged(t testing.TB) (*lab.Lab, *lab.Host) {
	t.Helper()
	l := labtest.New(t)
	testbed.SecondSubnet(t, l)
	guest := testbed.NewGuest(t, l, "port0", "10.9.0.5/24", "fd00:9::5/64")
	labtest.Run(t, l.Borea, "ip", "address", "flush", "dev", lab.Link)
	testbed.NewBridge(t, l, "br0", lab.Link, "port0")
	labtest.Furnish(t, l.Borea, "br0", "10.9.0.1/24", "fd00:9::1/64")
	testbed.StateOf(t, l.Borea) // when addresses are usable
	// Or else it is the kernel's choice as which of her addresses morgana sends.
	labtest.Run(t, l.Morgana, "ip", "address", "del", "fd00:9::4/64", "dev", lab.Link)
	testbed.PingsAll(t, l.Morgana, "10.9.0.1")
	testbed.PingsAll(t, guest, "10.9.0.2")
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
			d := labtest.StartDaemon(t, l, "--slave", slave, "--route", "10.9.0.2", "--route", "fd00:9::2", "--address", "10.8.0.1/24")
			testbed.AwaitCarrier(t, l, true)
			b, m := l.Borea, l.Morgana
			for _, h := range []*lab.Host{b, m, guest} {
				labtest.Run(t, h, "ip", "neigh", "flush", "all")
			}
			testbed.PingsAll(t, m, "10.9.0.1", "-I", "10.9.0.4") // the slave's
			testbed.PingsAll(t, m, "10.9.0.1")
			testbed.PingsAll(t, m, "10.8.0.1")
			testbed.PingsAll(t, m, "fd00:9::1")
			for _, address := range []string{"10.9.0.2", "10.9.0.4", "10.8.0.2", "fd00:9::2"} {
				testbed.PingsAll(t, b, address)
			}
			for _, address := range []string{"10.9.0.1", "10.9.0.2", "10.9.0.4", "fd00:9::1", "fd00:9::2"} {
				testbed.PingsAll(t, guest, address)
			}
			testbed.PingsAll(t, m, "10.9.0.5")
			testbed.KeepNeighbours(t, b, m, guest)
			testbed.Faults(t, d, "percent 50", "percent 60")
			for _, w := range []testbed.Way{
				{From: b, To: m, Address: "10.9.0.2", Share: 0.5}, {From: m, To: b, Address: "10.9.0.1", Share: 0.6},
				{From: b, To: m, Address: "fd00:9::2", Share: 0.5}, {From: m, To: b, Address: "fd00:9::1", Share: 0.6},
				{From: b, To: m, Address: "10.8.0.2", Share: 0.5}, {From: m, To: b, Address: "10.8.0.1", Share: 0.6},
				{From: b, To: m, Address: "10.9.0.4", Share: 1}, {From: b, To: guest, Address: "10.9.0.5", Share: 1}, {From: guest, To: b, Address: "10.9.0.1", Share: 1},
				{From: guest, To: m, Address: "10.9.0.2", Share: 1}, {From: m, To: guest, Address: "10.9.0.5", Share: 1},
				{From: guest, To: m, Address: "fd00:9::2", Share: 1}, {From: m, To: guest, Address: "fd00:9::5", Share: 1},
			} {
				w.Check(t)
			}
			testbed.Balanced(t, d)
		})
	}
}

// TestTopologyBridgeOfItsOwnMAC: a bridge may have another MAC address than the
// slave, its port. What is for that address is not for the slave's, and stays with
// the bridge, unless the device alone has the address. All works, each frame once.
func TestTopologyBridgeOfItsOwnMAC(t *testing.T) {
	t.Parallel()
	l, guest := bridged(t)
	labtest.Run(t, l.Borea, "ip", "link", "set", "br0", "address", "02:00:00:00:be:ef")
	d := labtest.StartDaemon(t, l, "--slave", lab.Link, "--route", "10.9.0.2", "--route", "fd00:9::2", "--address", "10.8.0.1/24")
	testbed.AwaitCarrier(t, l, true)
	for _, h := range []*lab.Host{l.Borea, l.Morgana, guest} {
		labtest.Run(t, h, "ip", "neigh", "flush", "all")
	}
	testbed.PingsAll(t, l.Morgana, "10.9.0.1")
	testbed.PingsAll(t, l.Morgana, "10.9.0.1", "-I", "10.9.0.4")
	testbed.PingsAll(t, l.Morgana, "10.9.0.1")
	testbed.PingsAll(t, l.Morgana, "fd00:9::1")
	testbed.PingsAll(t, l.Morgana, "10.8.0.1")
	testbed.PingsAll(t, guest, "10.9.0.2")
	testbed.PingsAll(t, guest, "10.9.0.1")
	testbed.KeepNeighbours(t, l.Borea, l.Morgana, guest)
	testbed.Faults(t, d, "pass", "percent 60")
	testbed.Way{From: l.Morgana, To: l.Borea, Address: "10.8.0.1", Share: 0.6}.Check(t)
	testbed.Way{From: guest, To: l.Morgana, Address: "10.9.0.2", Share: 1}.Check(t)
	testbed.Balanced(t, d)
}

// TestTopologyInBridge: the device is a port of a bridge, as no device with an
// rx_handler could be. In mode all the guest behind another port talks through it
// with the outside, for which the slave has to hear what is addressed to others; in
// mode auto what is for the address of the bridge itself comes through it.
func TestTopologyInBridge(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	testbed.SecondSubnet(t, l)
	guest := testbed.NewGuest(t, l, "port0", "10.8.0.5/24")
	d := labtest.StartDaemon(t, l, "--slave", lab.Link, "--receive", api.ReceiveAll)
	testbed.NewBridge(t, l, "br1", "port0")
	labtest.Run(t, l.Borea, "ip", "link", "set", testbed.Device, "master", "br1", "up")
	labtest.Furnish(t, l.Borea, "br1", "10.8.0.1/24")
	testbed.AwaitCarrier(t, l, true)
	testbed.AwaitPromiscuous(t, l, true)
	b, m := l.Borea, l.Morgana
	testbed.PingsAll(t, guest, "10.8.0.2")
	testbed.PingsAll(t, m, "10.8.0.5")
	testbed.PingsAll(t, m, "10.8.0.1")
	testbed.PingsAll(t, guest, "10.8.0.1")
	testbed.KeepNeighbours(t, b, m, guest)
	testbed.Faults(t, d, "percent 50", "percent 60")
	for _, w := range []testbed.Way{
		{From: guest, To: m, Address: "10.8.0.2", Share: 0.5}, {From: m, To: guest, Address: "10.8.0.5", Share: 0.6},
		{From: b, To: m, Address: "10.8.0.2", Share: 0.5}, {From: m, To: b, Address: "10.8.0.1", Share: 0.6},
		{From: guest, To: b, Address: "10.8.0.1", Share: 1}, {From: b, To: guest, Address: "10.8.0.5", Share: 1},
	} {
		w.Check(t)
	}

	if i := labtest.Set(t, d, api.Change{Receive: new(api.ReceiveAuto)}); !slices.Contains(i.Takes.To, "10.8.0.1") {
		t.Errorf("takes what is for %q, but not for the bridge's address", i.Takes.To)
	}
	testbed.Way{From: m, To: b, Address: "10.8.0.1", Share: 0.6}.Check(t) // to a MAC address that is not the slave's
	testbed.PingsAll(t, m, "10.9.0.1")                                    // the slave's
	testbed.Balanced(t, d)

	labtest.Run(t, b, "ip", "link", "set", testbed.Device, "nomaster")
	testbed.AwaitPromiscuous(t, l, false)
}
