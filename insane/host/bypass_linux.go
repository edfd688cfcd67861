package host

import "net/netip"

// Bypass is a way in which packets leave the host past the device, although the user has asked
// for a route through it to their destination. Bypasses can be compared.
type Bypass struct {
	Dst   netip.Prefix // that the user asked for
	Link  string       // the name of the link that the packets leave through
	Route netip.Prefix // the destination of the route that the kernel takes instead
	Table int          // the number of the table that has this route
}

// Bypass finds out whether packets to dst leave past the interface: because of a rule that
// leads to another routing table, because of narrower routes, or because the interface has no
// route there. ok is false if packets to one of several addresses leave through the
// interface, or if the host sends to none of them. It asks as a program of root would be
// answered that gives its packets no mark. It does not wait for the kernel's lock on network
// configuration.
func (i *Interface) Bypass(dst netip.Prefix) (b Bypass, ok bool) {
	for _, addr := range samples(dst) {
		r, err := i.links.ask(addr, 0)
		if err != nil || len(r.hops) == 0 {
			continue // unreachable, or the host's own
		}
		if r.through(i.Index()) || r.protocol == routeProtocol { // another device may send through this one
			return Bypass{}, false
		}
		if ok {
			continue
		}
		link, err := i.links.ByIndex(r.hops[0].Link)
		b, ok = Bypass{Dst: dst, Link: link.Name, Route: r.dst.Masked(), Table: int(r.id)}, err == nil
	}
	return b, ok
}
