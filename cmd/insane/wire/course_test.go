package wire

import (
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// door is the link through which the test's packets leave or enter a host.
func door(b *testbed.Bed, h *lab.Host) string {
	if h == b.Borea {
		return testbed.Device
	}
	return lab.Link
}

// framesOffered returns how many frames the kernel had for the relay: the frames that the
// host sent into the TAP, or that the slave received from the cable. The fast path may have
// carried some of the latter.
func framesOffered(t testing.TB, b *testbed.Bed) uint64 {
	t.Helper()
	if b.Receiving() {
		return b.Counters(t, b.Borea, lab.Link).RxPackets
	}
	return b.Counters(t, b.Borea, testbed.Device).TxPackets
}

// takeAll makes the device receive everything. Otherwise packets from morgana to the
// addresses of the slave would belong to the slave, because no route leads through the
// device.
func takeAll(t testing.TB, b *testbed.Bed) {
	t.Helper()
	for _, route := range b.Routes(labtest.LinkOf(t, b.Borea, testbed.Device)) {
		if err := b.Borea.Netlink().RouteDel(route); err != nil {
			t.Fatalf("delete route to %s: %v", route.Dst, err)
		}
	}
	all := api.ReceiveAll
	labtest.Set(t, b.Daemon, api.Change{Receive: &all})
	hearEverything(t, b.Borea)
	b.Quiet = testbed.FirstQuiet // wait for reports of multicast groups too
}

// hearEverything makes the card of a host hear everything until the test ends. Otherwise it
// leaves out groups and VLANs that nobody on the host has asked for. A veth pair leaves out
// nothing.
func hearEverything(t testing.TB, h *lab.Host) {
	t.Helper()
	if !labtest.Cards() {
		return
	}
	labtest.Run(t, h, "ip", "link", "set", lab.Link, "promisc", "on")
	t.Cleanup(func() { labtest.Run(t, h, "ip", "link", "set", lab.Link, "promisc", "off") })
}

// onlyIPv4 disables IPv6 on every link between the hosts, so that kernel counters that
// count every packet count only the packets of the test.
func onlyIPv4(t testing.TB, b *testbed.Bed) {
	t.Helper()
	for _, link := range []string{testbed.Device, lab.Link} {
		b.Sysctl(t, b.Borea, "ipv6/conf/"+link+"/disable_ipv6", "1")
	}
	b.Sysctl(t, b.Morgana, "ipv6/conf/"+lab.Link+"/disable_ipv6", "1")
	b.Quiet = testbed.LaterQuiet
}
