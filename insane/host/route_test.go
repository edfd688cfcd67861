package host

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// newRouted makes a slave eth0 with two networks of its own and a default gateway for each
// family, and the interface of a device.
func newRouted(t *testing.T) (*Links, device, Link) {
	t.Helper()
	l := newNamespace(t)
	newVeth(t, l, "eth0", "peer")
	sysctl(t, "net/ipv6/conf/eth0/accept_dad", "0")
	sysctl(t, "net/ipv6/conf/eth0/disable_ipv6", "0")
	sysctl(t, "net/ipv6/conf/peer/accept_dad", "0")
	slave := handleOf(t, l, "eth0")
	for _, address := range []string{"10.9.0.1/24", "10.9.0.77/24", "fd00:9::1/64"} {
		addr, err := netlink.ParseAddr(address)
		must(t, err)
		must(t, l.h.AddrAdd(slave, addr))
	}
	awaitUsable(t, l, "eth0")
	ip(t, `route add default via 10.9.0.254
route add ::/0 via fd00:9::254
route add 192.168.7.0/24 via 10.9.0.253 src 10.9.0.77
route add 192.168.8.0/24 dev eth0
route add fd00:8::/64 dev eth0
`)
	tap := openTAP(t, l, "insane")
	must(t, tap.SetUp())
	must(t, tap.SetCarrier(true))
	return l, tap, linkOf(t, l, "eth0")
}

// awaitUsable waits until the kernel has made the IPv6 addresses of a link usable, which
// it does in a work queue (net/ipv6/addrconf.c, addrconf_dad_work).
func awaitUsable(t *testing.T, l *Links, name string) {
	t.Helper()
	await(t, "the addresses of "+name+" to be usable", func() bool {
		addrs, err := dump(func() ([]netlink.Addr, error) { return l.h.AddrList(handleOf(t, l, name), unix.AF_INET6) })
		must(t, err)
		return len(addrs) > 0 && !slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
			return a.Flags&unix.IFA_F_TENTATIVE != 0
		})
	})
}

// The greater one of the settings of all links and of one link counts.
func TestStrictReversePath(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "eth0", "peer")
	for _, c := range []struct {
		all, own string
		want     bool
	}{
		{"0", "0", false}, {"0", "1", true}, {"0", "2", false},
		{"1", "0", true}, {"1", "1", true}, {"1", "2", false},
		{"2", "0", false}, {"2", "1", false}, {"2", "2", false},
	} {
		sysctl(t, "net/ipv4/conf/all/rp_filter", c.all)
		sysctl(t, "net/ipv4/conf/eth0/rp_filter", c.own)
		if got := StrictReversePath("eth0"); got != c.want {
			t.Errorf("all %s, eth0 %s: %v, want %v", c.all, c.own, got, c.want)
		}
	}
}

// AddAddresses adds addresses of both families, also those behind one that the kernel
// refuses, and the error names that one.
func TestAddAddresses(t *testing.T) {
	l, tap, _ := newRouted(t)
	list := []netip.Prefix{
		netip.MustParsePrefix("10.8.0.1/32"), netip.MustParsePrefix("ff02::1/64"),
		netip.MustParsePrefix("10.7.0.1/16"), netip.MustParsePrefix("fd00:7::1/64"),
	}
	refused, err := tap.AddAddresses(list)
	if err == nil || !strings.HasPrefix(err.Error(), "add address ff02::1/64: ") || !slices.Equal(refused, list[1:2]) {
		t.Errorf("a multicast address: refused %v, %v, want a refusal that names it", refused, err)
	}
	for _, p := range append(list[:1:1], list[2:]...) {
		addrs, err := l.h.AddrList(tap.link, family(p))
		must(t, err)
		if !slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.IPNet.String() == p.String() }) {
			t.Errorf("%s is not among %v", p, addrs)
		}
	}
	must(t, func() error { _, err := tap.AddAddresses(list[:1]); return err }()) // once more
	sysctl(t, "net/ipv6/conf/insane/disable_ipv6", "1")
	const want = "add address fd00:7::1/64: IPv6 is disabled on insane: set net.ipv6.conf.default.disable_ipv6 to 0 before the start"
	if _, err := tap.AddAddresses(list[3:]); err == nil || err.Error() != want {
		t.Errorf("without IPv6: %v, want %s", err, want)
	}
}
