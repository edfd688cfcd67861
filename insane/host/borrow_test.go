package host

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"
)

// The samples are inside the network; the first is neither its first nor its last address.
func TestSamples(t *testing.T) {
	for dst, want := range map[string]string{
		"10.9.0.7/32":      "10.9.0.7",
		"10.9.0.6/31":      "10.9.0.7",
		"10.9.0.4/30":      "10.9.0.6",
		"10.9.0.8/29":      "10.9.0.13",
		"10.9.0.0/24":      "10.9.0.129",
		"10.0.0.0/8":       "10.128.0.1",
		"128.0.0.0/1":      "192.0.0.1",
		"0.0.0.0/0":        "192.0.2.1",
		"fd00:9::2/128":    "fd00:9::2",
		"fd00:9::/64":      "fd00:9::8000:0:0:1",
		"fd00::/8":         "fd80::1",
		"::/0":             "2001:db8::1",
		"fd00:9::1234/127": "fd00:9::1235",
	} {
		p := netip.MustParsePrefix(dst)
		list := samples(p)
		if list[0].String() != want {
			t.Errorf("%s: %s, want %s", dst, list[0], want)
		}
		for _, addr := range list {
			if !p.Contains(addr) {
				t.Errorf("%s: %s is outside", dst, addr)
			}
		}
	}
}

// Borrow returns the gateway and the source address that the slave would use, and whether
// the slave has a route at all. A route through the device itself changes nothing. The IPv6
// source is the kernel's choice.
func TestBorrow(t *testing.T) {
	l, tap, slave := newRouted(t)
	ip(t, "route add 10.1.0.0/16 via inet6 fe80::1 dev eth0\nroute add 192.0.2.0/24 via 10.9.0.9")
	for _, c := range []struct {
		dst, via, source string
		way              bool
	}{
		{"10.9.0.2/32", "", "10.9.0.1", true},
		{"10.9.0.0/25", "", "10.9.0.1", true},
		{"10.9.0.0/30", "", "10.9.0.1", true},
		{"10.0.0.0/8", "10.9.0.254", "10.9.0.1", true},
		{"10.1.0.0/16", "fe80::1", "10.9.0.1", true},
		{"192.168.7.7/32", "10.9.0.253", "10.9.0.77", true},
		{"192.168.7.0/24", "10.9.0.253", "10.9.0.77", true},
		{"192.168.8.1/32", "", "10.9.0.1", true},
		{"203.0.113.0/24", "10.9.0.254", "10.9.0.1", true},
		{"0.0.0.0/0", "10.9.0.254", "10.9.0.1", true}, // although 192.0.2.0/24 has another gateway
		{"fd00:9::2/128", "", "", true},
		{"fd00:8::/64", "", "", true},
		{"2001:db8:1::/48", "fd00:9::254", "", true},
		{"::/0", "fd00:9::254", "", true},
	} {
		dst := netip.MustParsePrefix(c.dst)
		check := func(when string) {
			t.Helper()
			got, way := l.Borrow(dst, slave.Index)
			if got.Dst != dst || show(got.Via) != c.via || show(got.Source) != c.source || way != c.way {
				t.Errorf("%s, %s: via %q source %q way %v, want %q %q %v", dst, when, show(got.Via), show(got.Source), way, c.via, c.source, c.way)
			}
		}
		check("before")
		r, _ := l.Borrow(dst, slave.Index)
		_, _, err := tap.exchange(nil, entriesOf(r))
		must(t, err)
		check("with a route through the device")
		must(t, tap.removeAll(entriesOf(r)))
	}
}

// show returns the address as text, "" if it is not valid.
func show(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// If the slave leads nowhere, the route has only its destination.
func TestBorrowNothing(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "eth0", "peer")
	for _, dst := range []string{"10.9.0.2/32", "fd00:9::2/128", "0.0.0.0/0", "::/0"} {
		want := Route{Dst: netip.MustParsePrefix(dst)}
		for _, slave := range []int{linkOf(t, l, "eth0").Index, 4711} {
			if got, way := l.Borrow(want.Dst, slave); got != want || way {
				t.Errorf("%s by link %d: %+v, way %v, want %+v", dst, slave, got, way, want)
			}
		}
	}
}

// Lost tells the device's route from others, also where the host has addresses in the
// middle of the network, and from narrower ones.
func TestLost(t *testing.T) {
	l, tap, _ := newRouted(t)
	ip(t, "address add 10.9.0.129/24 dev eth0")
	for _, text := range []string{"10.9.0.0/24", "0.0.0.0/0", "10.9.0.2/32", "192.168.8.0/24"} {
		dst := netip.MustParsePrefix(text)
		r, _ := l.Borrow(dst, linkOf(t, l, "eth0").Index)
		if !tap.Lost(dst) {
			t.Errorf("%s is there before it is put", dst)
		}
		_, _, err := tap.exchange(nil, entriesOf(r))
		must(t, err)
		if tap.Lost(dst) {
			t.Errorf("%s is lost after it was put", dst)
		}
		must(t, tap.removeAll(entriesOf(r)))
		if !tap.Lost(dst) {
			t.Errorf("%s is there after it was removed", dst)
		}
	}
}

// TestBorrowKeepsPackets: what goes through the device has the source address, the MTU and the
// like that it would have without the device, whenever these change; and no old route is left.
// For IPv6, the source is the one that fits the destination, or the one that the slave's route
// names, and other links have a say as little as before.
func TestBorrowKeepsPackets(t *testing.T) {
	g := newGiver(t, "0.0.0.0/0", "192.168.7.0/24", "::/0", "fd00:8::/64")
	sysctl(t, "net/ipv6/conf/peer/disable_ipv6", "0")
	ip(t, "address add 2001:db8:9::1/64 dev eth0 nodad")
	for _, change := range []string{
		"route change default via 10.9.0.254 mtu lock 1300 advmss 1000 initcwnd 5\nroute change ::/0 via fd00:9::254 mtu 1300 hoplimit 9",
		"route change default via 10.9.0.254 mtu 1300\nroute change ::/0 via fd00:9::254 mtu 1400\n" +
			"route change 192.168.7.0/24 via 10.9.0.253 src 10.9.0.77 mtu 1400 congctl reno",
		"route change default via 10.9.0.254 mtu 1300 initcwnd 5\nroute change ::/0 via fd00:9::254",
		"address add 2001:db8:9::2/64 dev eth0 nodad\naddress change 2001:db8:9::1/64 dev eth0 preferred_lft 0",
		"route replace fd00:8::/64 dev eth0 src 2001:db8:9::2",
		"route replace ::/0 via fd00:9::254 src fd00:9::1",
		"route replace ::/0 via fd00:9::254\naddress add 2001:db8:7::1/128 dev peer nodad\nlink set peer up",
	} {
		ip(t, change)
		awaitUsable(t, g.l, "eth0")
		g.keeps()
		for _, addr := range []string{"203.0.113.7", "192.168.7.7", "2001:db8:7::7", "fd00:7::7", "fd00:8::8"} {
			if g.named6() && addr == "fd00:7::7" {
				continue // one route names one source only
			}
			got, want := packetsTo(t, addr), packetsTo(t, addr, "oif", "eth0")
			if link := through(t, g.l, addr); got != want || link != "insane" {
				t.Errorf("after %q packets to %s leave through %s with %q, without the device with %q", change, addr, link, got, want)
			}
		}
		if list := deviceRoutes(t); len(list) != 5 {
			t.Errorf("after %q: %q, want five routes", change, list)
		}
	}
	if !g.named6() {
		t.Error("another link has an IPv6 address, and the device lets the kernel choose among both")
	}
}

// named6 reports whether the device's IPv6 default route names a source address, without being
// told so by the slave's.
func (g *giver) named6() bool {
	one := g.given[netip.MustParsePrefix("::/0")]
	return one.last.Source.IsValid() && !strings.Contains(strings.Join(table(g.t), "\n"), "default via fd00:9::254 dev eth0 src")
}

// packetsTo returns what the host gives packets to an address: gateway, source, MTU and such,
// without the link.
func packetsTo(t *testing.T, addr string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ip", append([]string{"-o", "route", "get", addr}, args...)...).Output()
	must(t, err)
	var list []string
	words := strings.Fields(strings.ReplaceAll(string(out), "\\", " "))
	for n := 0; n < len(words); n++ {
		switch words[n] {
		case "dev", "oif", "metric", "pref", "uid", "proto":
			n++
		case "cache", "onlink":
		default:
			list = append(list, words[n])
		}
	}
	return strings.Join(list, " ")
}
