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
	for _, r := range [][3]string{
		{"0.0.0.0/0", "10.9.0.254", ""},
		{"::/0", "fd00:9::254", ""},
		{"192.168.7.0/24", "10.9.0.253", "10.9.0.77"},
		{"192.168.8.0/24", "", ""},
		{"fd00:8::/64", "", ""},
	} {
		route := Route{Dst: netip.MustParsePrefix(r[0])}
		if r[1] != "" {
			route.Via = netip.MustParseAddr(r[1])
		}
		if r[2] != "" {
			route.Source = netip.MustParseAddr(r[2])
		}
		must(t, interfaceOf(t, l, "eth0").AddRoute(route)) // the same methods add the routes of the slave
	}
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
		addrs, err := l.h.AddrList(handleOf(t, l, name), unix.AF_INET6)
		must(t, err)
		return len(addrs) > 0 && !slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
			return a.Flags&unix.IFA_F_TENTATIVE != 0
		})
	})
}

// show returns the address as text, "" if it is not valid.
func show(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// hostHas reports whether the host has a route to exactly this destination.
func hostHas(t *testing.T, l *Links, dst netip.Prefix) bool {
	t.Helper()
	return len(routesTo(t, l, dst)) > 0
}

// routesTo returns the routes to exactly this destination as "LINK via GATEWAY from SOURCE
// metric METRIC", sorted. It shows the metric only if it is 50.
func routesTo(t *testing.T, l *Links, dst netip.Prefix) (list []string) {
	t.Helper()
	all, err := l.h.RouteList(nil, family(dst))
	must(t, err)
	for _, r := range all {
		if r.Dst.String() != ipNet(dst).String() {
			continue
		}
		link, err := l.ByIndex(r.LinkIndex)
		must(t, err)
		words := []string{link.Name}
		if r.Gw != nil {
			words = append(words, "via", r.Gw.String())
		}
		if r.Src != nil {
			words = append(words, "from", r.Src.String())
		}
		if r.Priority == 50 {
			words = append(words, "metric 50")
		}
		list = append(list, strings.Join(words, " "))
	}
	slices.Sort(list)
	return list
}

// AddRoute adds what Borrow returns.
func TestAddRoute(t *testing.T) {
	l, tap, slave := newRouted(t)
	for _, c := range []struct{ dst, want string }{
		{"10.9.0.2/32", "insane from 10.9.0.1"},
		{"203.0.113.0/24", "insane via 10.9.0.254 from 10.9.0.1"},
		{"fd00:9::2/128", "insane from fd00:9::1"},
		{"2001:db8:1::/48", "insane via fd00:9::254 from fd00:9::1"},
	} {
		dst := netip.MustParsePrefix(c.dst)
		must(t, tap.AddRoute(l.Borrow(dst, slave.Index)))
		if got := routesTo(t, l, dst); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %q, want %q", dst, got, c.want)
		}
	}
}

// A route that the host already has to the same destination stays, and AddRoute and
// ReplaceRoute fail.
func TestRouteOfAnother(t *testing.T) {
	l, tap, slave := newRouted(t)
	for _, dst := range []string{"0.0.0.0/0", "::/0", "192.168.7.0/24", "192.168.8.0/24", "fd00:8::/64"} {
		prefix := netip.MustParsePrefix(dst)
		before := routesTo(t, l, prefix)
		for what, add := range map[string]func(Route) error{"add": tap.AddRoute, "replace": tap.ReplaceRoute} {
			err := add(l.Borrow(prefix, slave.Index))
			if want := "add route to " + dst + ": the host has a route to just that destination"; err == nil || err.Error() != want {
				t.Errorf("%s: %v, want %s", what, err, want)
			}
			if after := routesTo(t, l, prefix); !slices.Equal(before, after) || len(after) != 1 {
				t.Errorf("%s: %q became %q", what, before, after)
			}
		}
		// This is so even if the interface has a route to it with another metric.
		route := tap.route(Route{Dst: prefix})
		route.Priority = 50
		must(t, l.h.RouteAdd(route))
		before = routesTo(t, l, prefix)
		if err := tap.ReplaceRoute(Route{Dst: prefix}); err == nil {
			t.Errorf("%s: replaced beside one of another metric", dst)
		}
		if after := routesTo(t, l, prefix); !slices.Equal(before, after) || len(after) != 2 {
			t.Errorf("replace beside one of another metric: %q became %q", before, after)
		}
	}
}

// ReplaceRoute leaves exactly one route, and no temporary route to the gateway.
func TestReplaceRoute(t *testing.T) {
	l, tap, _ := newRouted(t)
	for _, c := range []struct{ dst, via, source, want string }{
		{"10.9.0.2/32", "", "10.9.0.1", "insane from 10.9.0.1"},
		{"10.9.0.2/32", "", "10.9.0.77", "insane from 10.9.0.77"},
		{"10.9.0.2/32", "10.9.0.254", "10.9.0.1", "insane via 10.9.0.254 from 10.9.0.1"},
		{"10.9.0.2/32", "", "", "insane"},
		{"fd00:9::2/128", "", "fd00:9::1", "insane from fd00:9::1"},
		{"fd00:9::2/128", "fd00:9::254", "fd00:9::1", "insane via fd00:9::254 from fd00:9::1"},
		{"fd00:9::2/128", "fd00:9::253", "fd00:9::1", "insane via fd00:9::253 from fd00:9::1"},
		{"fd00:9::2/128", "", "", "insane"},
		{"128.0.0.0/1", "10.9.0.254", "10.9.0.1", "insane via 10.9.0.254 from 10.9.0.1"},
	} {
		r := Route{Dst: netip.MustParsePrefix(c.dst)}
		if c.via != "" {
			r.Via = netip.MustParseAddr(c.via)
		}
		if c.source != "" {
			r.Source = netip.MustParseAddr(c.source)
		}
		for range 2 { // the second time the route exists already
			must(t, tap.ReplaceRoute(r))
			if got := routesTo(t, l, r.Dst); len(got) != 1 || got[0] != c.want {
				t.Errorf("%+v: %q, want %q", r, got, c.want)
			}
			if c.via != "" && hostHas(t, l, netip.PrefixFrom(r.Via, r.Via.BitLen())) {
				t.Errorf("%+v: a route to the gateway is left", r)
			}
		}
	}
}

// If the host has no default route, the device can have one.
func TestDefaultRoute(t *testing.T) {
	l := newNamespace(t)
	tap := openTAP(t, l, "insane")
	must(t, tap.SetUp())
	for _, dst := range []string{"0.0.0.0/0", "::/0"} {
		r := Route{Dst: netip.MustParsePrefix(dst)}
		must(t, tap.AddRoute(r))
		must(t, tap.ReplaceRoute(r))
		if got := routesTo(t, l, r.Dst); len(got) != 1 || got[0] != "insane" {
			t.Errorf("%s: %q, want one through the device", dst, got)
		}
	}
}

// When an address is removed, the kernel removes the IPv4 routes that prefer it.
// ReplaceRoute adds them again.
func TestRouteLosesItsSource(t *testing.T) {
	l, tap, slave := newRouted(t)
	for _, c := range []struct{ dst, address string }{
		{"10.9.0.2/32", "10.9.0.77/24"},
		{"fd00:9::2/128", "fd00:9::1/64"},
	} {
		r := Route{Dst: netip.MustParsePrefix(c.dst), Source: netip.MustParsePrefix(c.address).Addr()}
		must(t, tap.AddRoute(r))
		addr, err := netlink.ParseAddr(c.address)
		must(t, err)
		must(t, l.h.AddrDel(handleOf(t, l, slave.Name), addr))
		if got := routesTo(t, l, r.Dst); r.Dst.Addr().Is4() && len(got) != 0 {
			t.Fatalf("%s: %q is left: this kernel is another one", c.dst, got)
		}
		r.Source = netip.Addr{}
		must(t, tap.ReplaceRoute(r))
		if got := routesTo(t, l, r.Dst); len(got) != 1 || got[0] != "insane" {
			t.Errorf("%s: %q, want it back", c.dst, got)
		}
	}
}

// AddAddress adds addresses of both families, and an error names the address.
func TestAddAddress(t *testing.T) {
	l, tap, _ := newRouted(t)
	for _, text := range []string{"10.8.0.1/32", "10.7.0.1/16", "fd00:7::1/64"} {
		p := netip.MustParsePrefix(text)
		must(t, tap.AddAddress(p))
		addrs, err := l.h.AddrList(tap.link, family(p))
		must(t, err)
		if !slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.IPNet.String() == text }) {
			t.Errorf("%s is not among %v", text, addrs)
		}
	}
	err := tap.AddAddress(netip.MustParsePrefix("ff02::1/64"))
	if err == nil || !strings.HasPrefix(err.Error(), "add address ff02::1/64: ") {
		t.Errorf("a multicast address: %v, want a refusal that names it", err)
	}
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
