package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouteEntry is one route of the host's main routing table.
type RouteEntry struct {
	Dst    netip.Prefix
	Metric int   // the host uses the route with the least metric of one destination
	Hops   []Hop // the host uses any one of them; empty: it refuses to send to Dst
}

// Hop is one way in which a route leaves the host.
type Hop struct {
	Link int        // index of the link
	Via  netip.Addr // gateway; the zero Addr if the destination is on the link itself
}

// Routes lists the main routing table, first IPv4 and then IPv6. Routes of one destination
// are in the order in which the kernel tries them. Routes for a type of service are left
// out, since they do not apply to most packets. Other questions do not wait for the list.
func (l *Links) Routes() ([]RouteEntry, error) {
	var list []RouteEntry
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		found, err := dump(func() ([]netlink.Route, error) { return l.tables.RouteList(nil, family) })
		if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, r := range found {
			if e, ok := toRouteEntry(r, family); ok {
				list = append(list, e)
			}
		}
	}
	return list, nil
}

// toRouteEntry returns false if the route does not belong to the list.
func toRouteEntry(r netlink.Route, family int) (RouteEntry, bool) {
	e := RouteEntry{Dst: everything(family), Metric: r.Priority}
	if r.Dst != nil {
		p, ok := toPrefix(r.Dst)
		if !ok {
			return e, false
		}
		e.Dst = p.Masked()
	}
	switch {
	case r.Tos != 0:
		return e, false
	case r.Type != unix.RTN_UNICAST:
	case len(r.MultiPath) > 0:
		for _, hop := range r.MultiPath {
			e.Hops = append(e.Hops, Hop{Link: hop.LinkIndex, Via: gateway(hop.Gw, hop.Via)})
		}
	default:
		e.Hops = []Hop{{Link: r.LinkIndex, Via: gateway(r.Gw, r.Via)}}
	}
	return e, true
}

// everything returns the prefix of the default route of a family.
func everything(family int) netip.Prefix {
	if family == unix.AF_INET {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// gateway returns the gateway of a hop. It is gw, or via if the gateway's address family
// is another one than that of the route (RTA_VIA). It is not valid if the hop has none.
func gateway(gw net.IP, via netlink.Destination) netip.Addr {
	if v, ok := via.(*netlink.Via); ok && v != nil {
		gw = v.Addr
	}
	addr, _ := netip.AddrFromSlice(gw)
	return addr.Unmap()
}
