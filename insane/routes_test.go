package insane

import (
	"net"
	"slices"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// expectRoutes fails unless exactly these routes lead through the device over IPv4.
func expectRoutes(b *borea, when string, want ...string) {
	b.t.Helper()
	if got := b.routes(syscall.AF_INET); !slices.Equal(got, want) {
		b.t.Errorf("%s: %q, want %q", when, got, want)
	}
}

// Routes have the gateway and source address of the slave's routes, and follow its
// addresses.
func TestRoutesFollowAddresses(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0, "10.9.0.1/24", "10.9.0.7/24")
	b.must(b.h.RouteAdd(&netlink.Route{Gw: []byte{10, 9, 0, 254}}))
	d := b.open("eth0", "10.9.0.2/32", "203.0.113.0/24")
	near, far := "10.9.0.2/32", "203.0.113.0/24 via 10.9.0.254"
	expectRoutes(b, "at first", near+" from 10.9.0.1", far+" from 10.9.0.1")

	b.address("eth0", "10.9.0.1/24", b.h.AddrDel) // the kernel also removes secondary addresses
	expectRoutes(b, "before anybody looks")
	b.address("eth0", "10.9.0.7/24", b.h.AddrAdd)
	b.must(b.h.RouteReplace(&netlink.Route{Gw: []byte{10, 9, 0, 253}}))
	d.reconcile()
	expectRoutes(b, "with another address", near+" from 10.9.0.7", "203.0.113.0/24 via 10.9.0.253 from 10.9.0.7")

	b.address("eth0", "10.9.0.7/24", b.h.AddrDel)
	d.reconcile()
	expectRoutes(b, "without an address", near, "203.0.113.0/24")
}

// If an address is removed and added again between two looks, nothing differs except the
// routes, which the kernel has removed.
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

// While a requested route is lost, the frames from its hosts stay the device's: the device
// restores the route before it looks at the ownership.
func TestLostRouteKeepsOwnership(t *testing.T) {
	b := newBorea(t)
	d := b.openFast()
	routed := func() bool { return slices.Contains(d.State().Takes.From, "10.9.0.2") }
	if !routed() {
		t.Fatalf("takes %+v at first", d.State().Takes)
	}
	b.address("eth0", "10.9.0.1/24", b.h.AddrDel)
	b.address("eth0", "10.9.0.1/24", b.h.AddrAdd)
	d.mu.Lock()
	again := d.apply(d.observer().Look(observe.Everything, d.seen))
	d.mu.Unlock()
	if !again || !routed() {
		t.Errorf("look again: %v, takes %+v, after a look without the route", again, d.State().Takes)
	}
	d.reconcile()
	if !routed() {
		t.Errorf("takes %+v in the end", d.State().Takes)
	}
	expectRoutes(b, "in the end", "10.9.0.2/32 from 10.9.0.1")
}

// Without a slave the routes still lead into the device: packets for them must not bypass
// it.
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

// A route that the host has already stays behind the device's, and is the host's again when
// the device is gone.
func TestRoutesOfTheHost(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0, "10.9.0.1/24")
	b.must(b.h.RouteAdd(&netlink.Route{LinkIndex: b.link("eth0").Attrs().Index,
		Dst: &net.IPNet{IP: net.IPv4(10, 9, 0, 2), Mask: net.CIDRMask(32, 32)}}))
	way := func() string {
		found, err := b.h.RouteGet(net.IPv4(10, 9, 0, 2))
		b.must(err)
		link, err := b.h.LinkByIndex(found[0].LinkIndex)
		b.must(err)
		return link.Attrs().Name
	}
	d := b.open("eth0", "10.9.0.2/32")
	if got := way(); got != "insane" {
		t.Errorf("packets leave through %s", got)
	}
	b.must(d.Close())
	labtest.Await(t, "the host's own route", func() bool { return way() == "eth0" })
}
