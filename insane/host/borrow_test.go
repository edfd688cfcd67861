package host

import (
	"net/netip"
	"testing"
)

// The sample is inside the network, and is neither its first nor its last address.
func TestSample(t *testing.T) {
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
		if got := sample(p); got.String() != want || !p.Contains(got) {
			t.Errorf("%s: %s, want %s", dst, got, want)
		}
	}
}

// Borrow returns the gateway and the source address that the slave would use.
func TestBorrow(t *testing.T) {
	l, tap, slave := newRouted(t)
	for _, c := range []struct{ dst, via, source string }{
		{"10.9.0.2/32", "", "10.9.0.1"},
		{"10.9.0.0/25", "", "10.9.0.1"},
		{"10.9.0.0/30", "", "10.9.0.1"},
		{"10.0.0.0/8", "10.9.0.254", "10.9.0.1"},
		{"192.168.7.7/32", "10.9.0.253", "10.9.0.77"},
		{"192.168.7.0/24", "10.9.0.253", "10.9.0.77"},
		{"192.168.8.1/32", "", "10.9.0.1"},
		{"203.0.113.0/24", "10.9.0.254", "10.9.0.1"},
		{"0.0.0.0/0", "10.9.0.254", "10.9.0.1"},
		{"fd00:9::2/128", "", "fd00:9::1"},
		{"fd00:8::/64", "", "fd00:9::1"},
		{"2001:db8:1::/48", "fd00:9::254", "fd00:9::1"},
		{"::/0", "fd00:9::254", "fd00:9::1"},
	} {
		dst := netip.MustParsePrefix(c.dst)
		check := func(when string) {
			t.Helper()
			got := l.Borrow(dst, slave.Index)
			if got.Dst != dst || show(got.Via) != c.via || show(got.Source) != c.source {
				t.Errorf("%s, %s: via %q source %q, want %q %q", dst, when, show(got.Via), show(got.Source), c.via, c.source)
			}
		}
		check("before")
		if dst.Bits() == 0 {
			continue // the host has this route already and keeps it
		}
		// A route through the device itself does not change the answer.
		if l.Borrow(dst, slave.Index).Source.IsValid() && !hostHas(t, l, dst) {
			must(t, tap.AddRoute(l.Borrow(dst, slave.Index)))
			check("with a route through the device")
		}
	}
}

// If the slave leads nowhere, the route has only its destination.
func TestBorrowNothing(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "eth0", "peer")
	for _, dst := range []string{"10.9.0.2/32", "fd00:9::2/128", "0.0.0.0/0", "::/0"} {
		want := Route{Dst: netip.MustParsePrefix(dst)}
		for _, slave := range []int{linkOf(t, l, "eth0").Index, 4711} {
			if got := l.Borrow(want.Dst, slave); got != want {
				t.Errorf("%s by link %d: %+v, want %+v", dst, slave, got, want)
			}
		}
	}
}
