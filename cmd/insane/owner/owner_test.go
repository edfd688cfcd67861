package owner

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// The hosts of the tests about owners. All of them are morgana, with different addresses.
// borea's slave and her device have one address each, in separate networks on the same
// wire.
var (
	slaveAddrs = addrs("10.9.0.1", "fd00:9::1")
	ownAddrs   = addrs("10.8.0.1", "fd00:8::1")

	otherHost  = addrs("10.9.0.4", "fd00:9::4") // in the slave's network
	routedHost = addrs("10.9.0.2", "fd00:9::2") // there too, but borea may route it through insane
	ownHost    = addrs("10.8.0.2", "fd00:8::2") // in insane's network
)

// addrs returns an IPv4 address and an IPv6 address, by family.
func addrs(v4, v6 string) map[int]netip.Addr {
	return map[int]netip.Addr{4: netip.MustParseAddr(v4), 6: netip.MustParseAddr(v6)}
}

// families are the keys of these maps.
var families = []int{4, 6}

// newOwners starts a device with its own addresses. Only its own networks are routed
// through it.
func newOwners(t testing.TB, args ...string) *testbed.Bed {
	t.Helper()
	l := labtest.New(t)
	args = append([]string{"--slave", lab.Link, "--address", "10.8.0.1/24", "--address", "fd00:8::1/64"}, args...)
	b := &testbed.Bed{Lab: l, Daemon: labtest.StartDaemon(t, l, args...), Quiet: testbed.FirstQuiet}
	labtest.Furnish(t, l.Morgana, lab.Link, "10.8.0.2/24", "fd00:8::2/64")
	awaitUsable(t, b)
	return b
}

// awaitUsable waits until no address of either host is tentative. Until then the kernel
// does not receive packets to it (net/ipv6/addrconf.c, addrconf_dad_work).
func awaitUsable(t testing.TB, b *testbed.Bed) {
	t.Helper()
	for _, h := range []*lab.Host{b.Borea, b.Morgana} {
		labtest.Await(t, "addresses of "+h.Name+" to be usable", func() bool {
			list, err := h.Netlink().AddrList(nil, netlink.FAMILY_V6)
			for _, a := range list {
				if a.Flags&unix.IFA_F_TENTATIVE != 0 {
					return false
				}
			}
			return err == nil
		})
	}
}

// ip runs ip(8) in borea.
func ip(t testing.TB, b *testbed.Bed, args ...string) {
	t.Helper()
	labtest.Run(t, b.Borea, "ip", args...)
}

// routeHost routes a host of the slave's network through insane, or removes the route.
func routeHost(t testing.TB, b *testbed.Bed, host netip.Addr, on bool) {
	t.Helper()
	verb := "del"
	if on {
		verb = "add"
	}
	ip(t, b, "route", verb, host.String(), "dev", testbed.Device)
}

// receive sets the receive mode.
func receive(t testing.TB, b *testbed.Bed, mode string) {
	t.Helper()
	labtest.Set(t, b.Daemon, api.Change{Receive: &mode})
}

// name returns the name of the link with this index in borea.
func name(t testing.TB, b *testbed.Bed, index int) string {
	t.Helper()
	link, err := b.Borea.Netlink().LinkByIndex(index)
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs().Name
}

// believe enters that every address of the other host is at its end of the cable,
// on every link, so that nobody has to ask.
func believe(t testing.TB, b *testbed.Bed, links ...netlink.Link) {
	t.Helper()
	near, far := labtest.LinkOf(t, b.Borea, lab.Link).Attrs().HardwareAddr, labtest.LinkOf(t, b.Morgana, lab.Link)
	for _, family := range families {
		for _, addr := range []netip.Addr{otherHost[family], routedHost[family], ownHost[family]} {
			for _, link := range links {
				pin(t, b.Borea, link, addr, far.Attrs().HardwareAddr)
			}
		}
		for _, addr := range []netip.Addr{slaveAddrs[family], ownAddrs[family]} {
			pin(t, b.Morgana, far, addr, near)
		}
	}
}

// pin adds a permanent neighbour entry.
func pin(t testing.TB, h *lab.Host, link netlink.Link, addr netip.Addr, mac net.HardwareAddr) {
	t.Helper()
	err := h.Netlink().NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, IP: addr.AsSlice(), HardwareAddr: mac, State: netlink.NUD_PERMANENT,
	})
	if err != nil {
		t.Fatalf("set neighbour %s of %s: %v", addr, h.Name, err)
	}
}
