package slave

import (
	"slices"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// bridged is a lab in which borea's addresses are on br0; eth0 and the link to a third host
// are ports of br0.
func bridged(t testing.TB) (*lab.Lab, *lab.Host) {
	t.Helper()
	l := labtest.New(t)
	testbed.SecondSubnet(t, l)
	guest := testbed.NewGuest(t, l, "port0", "10.9.0.5/24", "fd00:9::5/64")
	labtest.Run(t, l.Borea, "ip", "address", "flush", "dev", lab.Link)
	testbed.NewBridge(t, l, "br0", lab.Link, "port0")
	labtest.Furnish(t, l.Borea, "br0", "10.9.0.1/24", "fd00:9::1/64")
	testbed.StateOf(t, l.Borea) // waits until addresses are usable
	// Otherwise the kernel chooses the source address of morgana.
	labtest.Run(t, l.Morgana, "ip", "address", "del", "fd00:9::4/64", "dev", lab.Link)
	testbed.PingsAll(t, l.Morgana, "10.9.0.1")
	testbed.PingsAll(t, guest, "10.9.0.2")
	return l, guest
}

// TestTopologyNearBridge: the slave is a port of a bridge, or the bridge itself, while host
// routes and a separate address lead through the device. Packets of these meet the policies
// in both directions; the third host behind another port is not affected.
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
			testbed.PingsAll(t, m, "10.9.0.1", "-I", "10.9.0.4") // this address belongs to the slave
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

// TestTopologyBridgeOfItsOwnMAC: a bridge may have another MAC address than its port, the
// slave. A frame for the bridge's MAC address stays with the bridge, unless only the device
// has the IP address. All hosts can communicate, and each frame arrives once.
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

// TestTopologyInBridge: the device is a port of a bridge, which is possible because it uses
// no rx_handler. In mode all the third host behind another port communicates with the
// outside through the device; for that the slave must receive frames for other MAC
// addresses. In mode auto, frames for the address of the bridge itself come through the
// device.
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
