package observe

import (
	"net/netip"
	"testing"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
)

// link is an event of one link.
func link(l host.Link) host.Events {
	return host.Events{Links: []host.LinkEvent{{Link: l, Down: !l.Up}}}
}

// address is an event of one address.
func address(index int, text string, gone bool) host.Events {
	a := host.Address{Link: index, Prefix: netip.MustParsePrefix(text)}
	return host.Events{Addresses: []host.AddressEvent{{Address: a, Gone: gone}}}
}

// peer is an event of an address of link 3 with a peer.
func peer(text, peer string, gone bool) host.Events {
	e := address(3, text, gone)
	e.Addresses[0].Peer = netip.MustParsePrefix(peer)
	return e
}

// An event makes the device look at what it is about, and at nothing else.
func TestAffected(t *testing.T) {
	o := &Observer{Index: 7, Slave: "eth0", On: 2, Chains: noChains{}, Routes: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/32")}}
	for _, tt := range []struct {
		what string
		e    host.Events
		want Parts
	}{
		{"nothing", host.Events{}, 0},
		{"a foreign link", link(host.Link{Index: 3, Name: "eth1"}), 0},
		{"the interface", link(host.Link{Index: 7, Name: "insane"}), PartInterface | PartRoutes},
		{"the slave", link(host.Link{Index: 2, Name: "lan0"}), PartSlave | PartRoutes},
		{"a link of the slave's name", link(host.Link{Index: 9, Name: "eth0"}), PartSlave | PartRoutes},
		{"an address", address(3, "192.0.2.1/24", false), PartRoutes},
		{"a link-local address elsewhere", address(3, "fe80::1/64", false), 0},
		{"a link-local address of the slave", address(2, "fe80::1/64", false), PartRoutes},
		{"rules", host.Events{Rules: true}, PartRoutes},
		{"routes of its own", host.Events{Routes: true}, 0},
		{"routes", host.Events{Routes: true, Foreign: true}, PartRoutes},
		{"a deleted route of its own", host.Events{Routes: true, Deleted: o.Routes}, PartRoutes},
		{"IPv6 is taken off the interface", host.Events{NoIPv6: true}, PartInterface | PartRoutes},
		{"traffic control elsewhere", host.Events{Control: []int{2, 3}}, 0},
		{"traffic control of the interface", host.Events{Control: []int{2, 7}}, PartInterface},
		{"nftables", host.Events{NFTables: true}, PartNFTables},
		{"lost events", host.Events{Lost: true}, Everything &^ PartOwnership},
	} {
		if got := o.Affected(tt.e); got != tt.want {
			t.Errorf("%s: %b, want %b", tt.what, got, tt.want)
		}
	}
}

// noChains has no program of others.
type noChains struct{}

func (noChains) OneSided(kern.Chain, int) (int, error) { return 0, nil }

// A device without a fast path has no hook to look at.
func TestNFTablesAffectOnlyTheFastPath(t *testing.T) {
	o := &Observer{Index: 7, Slave: "eth0", On: 2}
	if got := o.Affected(host.Events{NFTables: true}); got != 0 {
		t.Errorf("parts %b, want none", got)
	}
}

// The tables are read again only for events that can change whose a frame is.
func TestTablesNote(t *testing.T) {
	eth1 := host.Link{Index: 3, Name: "eth1", Up: true}
	for _, tt := range []struct {
		what    string
		e       host.Events
		changed bool
		routes  bool // they are to be read again
	}{
		{"another MTU", link(host.Link{Index: 3, Name: "eth1", Up: true, MTU: 1400}), false, false},
		{"another name", link(host.Link{Index: 3, Name: "lan1", Up: true}), true, false},
		{"another master", link(host.Link{Index: 3, Name: "eth1", Up: true, Master: 9}), true, false},
		{"a new link", link(host.Link{Index: 4, Name: "eth2"}), true, false},
		{"a routed link goes down", link(host.Link{Index: 3, Name: "eth1"}), true, true},
		{"a routed link is gone", host.Events{Links: []host.LinkEvent{{Link: eth1, Gone: true, Down: true}}}, true, true},
		{"an address that is known", address(3, "192.0.2.1/24", false), false, false},
		{"a new address", address(3, "192.0.2.2/24", false), true, false},
		{"an address is gone", address(3, "192.0.2.1/24", true), true, true},
		{"a link-local address", address(3, "fe80::3/64", false), false, false},
		{"a link-local address that another link has", address(3, "fe80::2/64", false), true, false},
		{"routes", host.Events{Routes: true}, true, true},
		{"lost events", host.Events{Lost: true}, true, false},
	} {
		tables := Tables{
			links: map[int]host.Link{2: {Index: 2, Name: "eth0", Up: true}, 3: eth1},
			addresses: map[host.Address]bool{
				{Link: 3, Prefix: netip.MustParsePrefix("192.0.2.1/24")}: true,
				{Link: 2, Prefix: netip.MustParsePrefix("fe80::2/64")}:   true,
			},
			routes: []host.RouteEntry{{Dst: netip.MustParsePrefix("192.0.2.0/24"), Hops: []host.Hop{{Link: 3}}}},
		}
		if got := tables.Note(tt.e); got != tt.changed || tables.oldRoutes != tt.routes {
			t.Errorf("%s: changed %v, routes to be read %v, want %v and %v", tt.what, got, tables.oldRoutes, tt.changed, tt.routes)
		}
	}
}

// A link can have one address with several peers. It has the address until the last is gone.
func TestPeersOfOneAddress(t *testing.T) {
	tables := Tables{links: map[int]host.Link{3: {Index: 3, Name: "tun0", Up: true}}, addresses: make(map[host.Address]bool)}
	tables.Note(peer("192.0.2.9/32", "198.51.100.1/32", false))
	tables.Note(peer("192.0.2.9/32", "198.51.100.2/32", false))
	for left, gone := range []string{"198.51.100.1/32", "198.51.100.2/32"} {
		tables.Note(peer("192.0.2.9/32", gone, true))
		if got := len(tables.addresses); got != 1-left {
			t.Errorf("%d addresses after %s is gone, want %d", got, gone, 1-left)
		}
	}
}
