package insane

import (
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// expectRoutes fails unless just these lead through the device over IPv4.
func expectRoutes(b *borea, when string, want ...string) {
	b.t.Helper()
	if got := b.routes(syscall.AF_INET); !slices.Equal(got, want) {
		b.t.Errorf("%s: %q, want %q", when, got, want)
	}
}

// Routes borrow from the slave's, and follow its addresses.
func TestRoutesFollowAddresses(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0, "10.9.0.1/24", "10.9.0.7/24")
	b.must(b.h.RouteAdd(&netlink.Route{Gw: []byte{10, 9, 0, 254}}))
	d := b.open("eth0", "10.9.0.2/32", "203.0.113.0/24")
	near, far := "10.9.0.2/32", "203.0.113.0/24 via 10.9.0.254"
	expectRoutes(b, "at first", near+" from 10.9.0.1", far+" from 10.9.0.1")

	b.address("eth0", "10.9.0.1/24", b.h.AddrDel) // a primary takes its secondaries along
	expectRoutes(b, "before anybody looks")
	b.address("eth0", "10.9.0.7/24", b.h.AddrAdd)
	b.must(b.h.RouteReplace(&netlink.Route{Gw: []byte{10, 9, 0, 253}}))
	d.reconcile()
	expectRoutes(b, "with another address", near+" from 10.9.0.7", "203.0.113.0/24 via 10.9.0.253 from 10.9.0.7")

	b.address("eth0", "10.9.0.7/24", b.h.AddrDel)
	d.reconcile()
	expectRoutes(b, "without an address", near, "203.0.113.0/24")
}

// An address that goes and comes back between two looks leaves everything as it
// was but for the routes, which the kernel has removed.
func TestRoutesSurviveQuickChange(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0, "10.9.0.1/24")
	d := b.open("eth0", "10.9.0.2/32")
	for range 3 {
		b.address("eth0", "10.9.0.1/24", b.h.AddrDel)
		b.address("eth0", "10.9.0.1/24", b.h.AddrAdd)
		expectRoutes(b, "before anybody looks")
		d.reconcile()
		expectRoutes(b, "after it was looked at", "10.9.0.2/32 from 10.9.0.1")
	}
}

// Without a slave the routes lead into the device all the same: what is routed
// into it must not slip past it.
func TestRoutesWithoutSlave(t *testing.T) {
	b := newBorea(t)
	d := b.open("", "10.9.0.2/32")
	expectRoutes(b, "without a slave", "10.9.0.2/32")
	b.veth("eth0", 0, "10.9.0.1/24")
	d.mu.Lock()
	link, err := d.links.ByName("eth0")
	b.must(err)
	b.must(d.attach(link, api.ReceiveNone))
	d.refresh()
	d.mu.Unlock()
	expectRoutes(b, "with a slave", "10.9.0.2/32 from 10.9.0.1")
	b.must(b.h.LinkDel(b.link("eth0")))
	d.reconcile()
	expectRoutes(b, "after the slave has gone", "10.9.0.2/32")
	b.veth("eth0", 0, "10.9.0.3/24")
	d.reconcile()
	expectRoutes(b, "after it has come back", "10.9.0.2/32 from 10.9.0.3")
}

// A destination that the host leads elsewhere already stays the host's, and
// Open fails with nothing left.
func TestRoutesOfTheHost(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0, "10.9.0.1/24")
	b.must(b.h.RouteAdd(&netlink.Route{LinkIndex: b.link("eth0").Attrs().Index,
		Dst: &net.IPNet{IP: net.IPv4(10, 9, 0, 2), Mask: net.CIDRMask(32, 32)}}))
	d, err := Open(Config{Name: "insane", Slave: "eth0", Routes: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/32")}})
	if err == nil {
		d.Close()
		t.Fatal("a device that nothing leads through")
	}
	if want := "add route to 10.9.0.2/32: the host has a route to just that destination"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if link, err := b.h.LinkByName("insane"); err == nil {
		t.Errorf("%+v is left", link.Attrs())
	}
}
