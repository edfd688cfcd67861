package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
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
//
// A host can have a million routes. So Routes reads the kernel's messages one by one, and
// routes with the same way share their Hops, which must not be changed.
func (l *Links) Routes() ([]RouteEntry, error) {
	list := make([]RouteEntry, 0, l.routes.Load())
	ways := make(map[Hop][]Hop)
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		before := len(list)
		found, err := dump(func() ([]RouteEntry, error) { return l.appendRoutes(list[:before], family, ways) })
		if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		list = found
	}
	l.routes.Store(int64(len(list)))
	return list, nil
}

// appendRoutes appends the routes of one family.
func (l *Links) appendRoutes(list []RouteEntry, family int, ways map[Hop][]Hop) ([]RouteEntry, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: l.tables}
	req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family)}})
	var hops []Hop // of one route
	err := req.ExecuteIter(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE, func(m []byte) bool {
		if len(m) < unix.SizeofRtMsg || int(m[0]) != family {
			return true
		}
		r := toRouted(m, hops[:0])
		if hops = r.hops; !r.lists() {
			return true
		}
		list = append(list, RouteEntry{Dst: r.dst.Masked(), Metric: int(r.metric), Hops: shared(r.hops, ways)})
		return true
	})
	return list, err
}

// shared returns a copy of hops; the same one for all routes with this one hop.
func shared(hops []Hop, ways map[Hop][]Hop) []Hop {
	if len(hops) != 1 {
		return slices.Clone(hops)
	}
	way, ok := ways[hops[0]]
	if !ok {
		way = slices.Clone(hops)
		ways[hops[0]] = way
	}
	return way
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
