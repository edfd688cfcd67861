package host

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// Neighbours lists those of one link, and tells who has answered.
func TestNeighbours(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near, mac := linkOf(t, l, "near").Index, net.HardwareAddr{2, 0x69, 0x6e, 0x73, 0, 9}
	for _, n := range []netlink.Neigh{
		{LinkIndex: near, IP: net.ParseIP("10.9.0.2"), State: netlink.NUD_PERMANENT, HardwareAddr: mac},
		{LinkIndex: near, IP: net.ParseIP("10.9.0.3"), State: netlink.NUD_STALE, HardwareAddr: mac},
		{LinkIndex: near, IP: net.ParseIP("10.9.0.9"), State: netlink.NUD_FAILED, HardwareAddr: mac},
		{LinkIndex: near, IP: net.ParseIP("224.0.0.251"), State: netlink.NUD_NOARP, HardwareAddr: mac},
		{LinkIndex: linkOf(t, l, "far").Index, IP: net.ParseIP("10.9.0.4"), State: netlink.NUD_PERMANENT, HardwareAddr: mac},
	} {
		if err := l.h.NeighSet(&n); err != nil {
			t.Fatalf("%v: %v", n, err)
		}
	}
	got, err := l.Neighbours(near)
	must(t, err)
	got = slices.DeleteFunc(got, func(n Neighbour) bool { return n.Addr.IsLinkLocalUnicast() })
	for i := range got {
		if got[i].Unused > time.Minute {
			t.Errorf("%v: a new entry", got[i])
		}
		got[i].Unused = 0
	}
	slices.SortFunc(got, func(a, b Neighbour) int { return a.Addr.Compare(b.Addr) })
	addr := netip.MustParseAddr
	if want := []Neighbour{{addr("10.9.0.2"), true, 0}, {addr("10.9.0.3"), true, 0}, {addr("10.9.0.9"), false, 0}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// BridgeOf names the bridge of a port, and no other master.
func TestBridgeOf(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	port := linkOf(t, l, "near").Index
	if got := l.BridgeOf(port); got != "" {
		t.Errorf("%q, and there is no bridge", got)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	must(t, l.h.LinkAdd(bridge))
	must(t, l.h.LinkSetMaster(handleOf(t, l, "near"), bridge))
	if got := l.BridgeOf(port); got != "br0" {
		t.Errorf("%q, want br0", got)
	}
	if got := l.BridgeOf(1 << 30); got != "" {
		t.Errorf("%q of no link", got)
	}
}
