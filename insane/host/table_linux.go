package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouteEntry is a route of the host's main table.
type RouteEntry struct {
	Dst    netip.Prefix
	Metric int   // of routes to the same destination the least counts
	Hops   []Hop // the host takes any of them; none: it refuses to send there
}

// Hop is how a route leaves the host.
type Hop struct {
	Link int        // index
	Via  netip.Addr // gateway; not valid: the destination itself is on the link
}

// dumpTries bounds how often a list is asked for that changes while it is read.
const dumpTries = 30

// dump reads a list again if it changed meanwhile: it may lack what was never
// removed (Documentation/userspace-api/netlink/intro.rst, dump consistency).
func dump[T any](list func() ([]T, error)) (found []T, err error) {
	for range dumpTries {
		if found, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return found, err
}

// Routes lists the main table, in the order of the kernel.
func (l *Links) Routes() ([]RouteEntry, error) {
	var list []RouteEntry
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		found, err := dump(func() ([]netlink.Route, error) { return l.h.RouteList(nil, family) })
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
		return e, false // says nothing of most packets
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

func everything(family int) netip.Prefix {
	if family == unix.AF_INET {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// gateway is that of the route's own family, or of the other one (RTA_VIA).
func gateway(gw net.IP, via netlink.Destination) netip.Addr {
	if v, ok := via.(*netlink.Via); ok && v != nil {
		gw = v.Addr
	}
	addr, _ := netip.AddrFromSlice(gw)
	return addr.Unmap()
}

func toPrefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	bits, of := n.Mask.Size()
	if addr = addr.Unmap(); addr.Is4() && of == 128 {
		bits -= 96
	}
	return netip.PrefixFrom(addr, bits), ok && bits >= 0
}
