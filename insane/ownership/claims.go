// Package ownership decides who owns a received frame, the slave's stack or the device,
// from the links, addresses and routes of the host. It is pure: its results depend on the
// arguments only. The kernel applies the result to each frame (package kern).
//
//	claims.go    HostState, the state of the host, and the claims that follow from it
//	settings.go  the claims that follow from settings of IPv4
//	describe.go  the claims in words for a user
package ownership

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// HostState is the state of the host that ownership depends on. The fields were read one
// after the other; if the host changes in between, an event makes the device read them
// again.
type HostState struct {
	Links     []host.Link
	Addresses []host.Address
	Routes    []host.RouteEntry // in the order of the kernel

	Slave             int            // index of the slave; 0 if there is none
	OnDevice, OnSlave host.Answering // on the device and on the slave
	Proxied           []netip.Addr   // single IPv4 addresses for which the host answers on the slave by proxy
}

// Link finds a link by its index. ok is false if there is no such link.
func (h *HostState) Link(index int) (host.Link, bool) {
	i := slices.IndexFunc(h.Links, func(l host.Link) bool { return l.Index == index })
	if i < 0 {
		return host.Link{}, false
	}
	return h.Links[i], true
}

// above returns the links above a link, including itself: their frames arrive through it. A
// bridge is above its ports, a device is above its slave.
func (h *HostState) above(index int) map[int]bool {
	above := map[int]bool{index: true}
	for grown := true; grown; {
		grown = false
		for _, l := range h.Links {
			if above[l.Index] && l.Master != 0 && !above[l.Master] {
				above[l.Master], grown = true, true
			}
			if !above[l.Index] && h.standsOn(l, above) {
				above[l.Index], grown = true, true
			}
		}
	}
	return above
}

// standsOn reports whether a link is a device whose slave is one of the given links.
func (h *HostState) standsOn(l host.Link, those map[int]bool) bool {
	slaveOf, ok := l.SlaveName()
	if !ok {
		return false
	}
	for _, slave := range h.Links {
		if those[slave.Index] && api.ReadName(slaveOf) == slave.Name {
			return true
		}
	}
	return false
}

// Above returns the names of the VLANs, macvlans and ipvlans that stand on a link. What
// arrives for them is for addresses that the link itself does not have.
func (h *HostState) Above(index int) (names []string) {
	for _, l := range h.Links {
		if l.Parent == index {
			names = append(names, l.Name)
		}
	}
	slices.Sort(names)
	return names
}

// unrouted are the prefixes for which a route says nothing about a source address: they
// contain no unicast addresses, or they exist on every link (link-local addresses).
var unrouted = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), // RFC 1122 section 3.2.1.3
	netip.MustParsePrefix("::/127"),    // RFC 4291 sections 2.5.2, 2.5.3
	netip.MustParsePrefix("fe80::/10"), // RFC 4291 section 2.5.6
}

// Claims computes the claims of the device whose interface has this index. It only reads h,
// and may be called by several goroutines.
func (h *HostState) Claims(index int) kern.Claims {
	above := h.above(index)
	routed := 0
	for _, r := range h.Routes {
		if through(r, above) {
			routed++
		}
	}
	c := make(kern.Claims, routed) // a map that grows needs several times its size
	h.claimRoutes(c, above)
	own, others := h.owners(above)
	claimSubnets(c, own)
	// Hosts come last, because they inherit the claim of their network.
	hosts := make(kern.Claims)
	claim := func(addr netip.Addr, what kern.Claim) {
		host := netip.PrefixFrom(addr, addr.BitLen())
		hosts[host] |= c.Of(addr) | what
	}
	for p := range own {
		if addr := p.Addr(); !others[addr] {
			claim(addr, kern.Own)
		}
	}
	answerable := h.answerable(own)
	for addr := range others {
		if !addr.Is4() {
			continue
		}
		if answerable(addr) {
			claim(addr, kern.Host)
		} else if h.proxies() {
			claim(addr, beside)
		}
	}
	for _, addr := range h.Proxied {
		claim(addr, 0)
	}
	for p, what := range hosts {
		c[p] = what
	}
	h.claimSettings(c, index)
	return c
}

// claimSubnets marks the networks of the addresses that the links above have, if the host
// sends to these networks through these links. A network without its own route belongs to
// the wider route that contains it.
func claimSubnets(c kern.Claims, own map[netip.Prefix]bool) {
	for p := range own {
		network := p.Masked()
		claim, routed := c[network]
		if !routed {
			claim = c.Wider(network)
		}
		if p.IsSingleIP() || claim&kern.Routed == 0 {
			continue
		}
		c[network] = claim
		for part, claim := range c {
			if claim&kern.Routed != 0 && within(part, network) {
				c[part] |= kern.Subnet
			}
		}
	}
}

// within reports whether all of p is in network.
func within(p, network netip.Prefix) bool {
	return p.Bits() >= network.Bits() && network.Contains(p.Addr())
}

// owners returns the addresses of the links above, with their networks, and the addresses
// of all other links.
func (h *HostState) owners(above map[int]bool) (own map[netip.Prefix]bool, others map[netip.Addr]bool) {
	own, others = make(map[netip.Prefix]bool), make(map[netip.Addr]bool)
	for _, a := range h.Addresses {
		if above[a.Link] {
			own[a.Prefix] = true
		} else {
			others[a.Prefix.Addr()] = true
		}
	}
	return own, others
}

// Sort sorts routes in the order in which Claims needs them, so that it need not copy them:
// wider networks come before the networks inside them. Of one destination, the routes stay in
// the order of the kernel.
func Sort(routes []host.RouteEntry) { slices.SortStableFunc(routes, order) }

func order(a, b host.RouteEntry) int {
	return cmp.Or(a.Dst.Compare(b.Dst), cmp.Compare(a.Metric, b.Metric))
}

// claimRoutes claims the destinations that the host reaches through the links above, and
// marks those beside. If two routes have the same destination, the one with the lower metric
// counts; with equal metrics the first one, as in the kernel.
func (h *HostState) claimRoutes(c kern.Claims, above map[int]bool) {
	routes := h.Routes
	if !slices.IsSortedFunc(routes, order) {
		routes = slices.Clone(routes)
		Sort(routes)
	}
	var around []netip.Prefix // the networks claimed so far that contain the present one, widest first
	var last netip.Prefix
	for _, r := range routes {
		if r.Dst == last || slices.ContainsFunc(unrouted, func(p netip.Prefix) bool { return within(r.Dst, p) }) {
			continue
		}
		last = r.Dst
		for len(around) > 0 && !within(r.Dst, around[len(around)-1]) {
			around = around[:len(around)-1]
		}
		var claim kern.Claim
		switch {
		case through(r, above):
			claim = kern.Routed
		case h.isBeside(r):
			claim = beside
		}
		if claim != 0 || len(around) > 0 && c[around[len(around)-1]] != 0 {
			c[r.Dst] = claim
			around = append(around, r.Dst)
		}
	}
	for _, p := range unrouted {
		if c.Of(p.Addr()) != 0 {
			c[p] = 0
		}
	}
}

// through reports whether every hop of a route uses one of the links above.
func through(r host.RouteEntry, above map[int]bool) bool {
	for _, hop := range r.Hops {
		if !above[hop.Link] {
			return false
		}
	}
	return len(r.Hops) > 0
}
