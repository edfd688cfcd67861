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

// framesOffered is how many frames the kernel had for the relay: the TAP counts
// what the host sent into it, the slave what came out of the cable. The fast path
// may have had a part of the latter.
func framesOffered(t testing.TB, b *testbed.Bed) uint64 {
	t.Helper()
	if b.Receiving() {
		return b.Counters(t, b.Borea, lab.Link).RxPackets
	}
	return b.Counters(t, b.Borea, testbed.Device).TxPackets
}

// takeAll makes the device receive everything. What morgana sends to the addresses
// of the slave would be the slave's otherwise: no route leads through the device.
func takeAll(t testing.TB, b *testbed.Bed) {
	t.Helper()
	for _, route := range b.Routes(labtest.LinkOf(t, b.Borea, testbed.Device)) {
		if err := b.Borea.Netlink().RouteDel(route); err != nil {
			t.Fatalf("delete route to %s: %v", route.Dst, err)
		}
	}
	all := api.ReceiveAll
	labtest.Set(t, b.Daemon, api.Change{Receive: &all})
	b.Quiet = testbed.FirstQuiet // all, reports of groups included
}

// onlyIPv4 ends IPv6 on every link between the hosts, so that counters of the
// kernel which count everything count the test's packets alone.
func onlyIPv4(t testing.TB, b *testbed.Bed) {
	t.Helper()
	for _, link := range []string{testbed.Device, lab.Link} {
		b.Sysctl(t, b.Borea, "ipv6/conf/"+link+"/disable_ipv6", "1")
	}
	b.Sysctl(t, b.Morgana, "ipv6/conf/"+lab.Link+"/disable_ipv6", "1")
	b.Quiet = testbed.LaterQuiet
}
