package host

import (
	"fmt"
	"net/netip"
	"testing"
)

// A route through the interface that the kernel does not take is told, with the route that it
// takes instead; one that it takes for some of the packets is not.
func TestBypass(t *testing.T) {
	g := newGiver(t, "0.0.0.0/0", "192.168.7.0/24", "10.9.0.2/32", "::/0", "fd00:8::/64", "fd00:9::2/128")
	bypasses := func() (list []string) {
		for _, dst := range g.Wanted {
			if b, ok := g.tap.Bypass(dst); ok {
				list = append(list, fmt.Sprintf("%s by %s %s %d", b.Dst, b.Link, b.Route, b.Table))
			}
		}
		return list
	}
	for n, c := range []struct{ change, want string }{
		{"route add default via 10.9.0.254 table 777", // as long as the device has none
			"[0.0.0.0/0 by eth0 0.0.0.0/0 254 192.168.7.0/24 by eth0 192.168.7.0/24 254 10.9.0.2/32 by eth0 10.9.0.0/24 254 " +
				"::/0 by eth0 ::/0 254 fd00:8::/64 by eth0 fd00:8::/64 254 fd00:9::2/128 by eth0 fd00:9::/64 254]"},
		{"", "[]"},
		{"route add 192.0.2.0/24 via 10.9.0.253\nroute add 192.168.7.0/30 via 10.9.0.253", "[]"}, // some of them
		{"route add 0.0.0.0/1 via 10.9.0.253\nroute add 128.0.0.0/1 via 10.9.0.253\nroute add 2000::/3 via fd00:9::253",
			"[0.0.0.0/0 by eth0 192.0.2.0/24 254 ::/0 by eth0 2000::/3 254]"},
		{"rule add from all lookup 777", "[0.0.0.0/0 by eth0 0.0.0.0/0 777 192.168.7.0/24 by eth0 0.0.0.0/0 777 " +
			"10.9.0.2/32 by eth0 0.0.0.0/0 777 ::/0 by eth0 2000::/3 254]"},
		{"rule del from all lookup 777\nroute del 0.0.0.0/1\nroute del 128.0.0.0/1\nroute del 2000::/3", "[]"},
	} {
		if c.change != "" {
			ip(t, c.change)
		}
		if n > 0 {
			g.keeps()
		}
		if got := fmt.Sprint(bypasses()); got != c.want {
			t.Errorf("after %q:\n got %s\nwant %s", c.change, got, c.want)
		}
	}
	ip(t, "route add blackhole 10.1.0.0/16")
	if b, ok := g.tap.Bypass(netip.MustParsePrefix("10.1.0.0/16")); ok {
		t.Errorf("what the host sends nowhere leaves by %+v", b)
	}
}

// Only a finished look tells of bypasses, and none is told while the interface is down.
func TestBypassesAreOfWhatIsInPlace(t *testing.T) {
	g := Given{}
	g.whole.Up = true
	g.Routes.bypasses = []Bypass{{Link: "eth0"}}
	if len(g.Bypasses()) != 1 {
		t.Error("none is told")
	}
	g.whole.Up = false
	if len(g.Bypasses()) != 0 {
		t.Error("one is told while the interface is down")
	}
}
