package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Route leads a destination through the TAP.
type Route struct {
	Dst    netip.Prefix
	Via    netip.Addr // gateway on the slave's link; not valid: the destination is on the link itself
	Source netip.Addr // that packets get if nothing else was said; not valid: the kernel chooses
}

// Borrow asks how packets to dst would leave through the slave, so that the
// same gateway and the same source address can be used through the TAP. Where
// the kernel knows no way, the route says nothing but its destination.
func (l *Links) Borrow(dst netip.Prefix, slave int) Route {
	r := Route{Dst: dst}
	found, err := l.h.RouteGetWithOptions(net.IP(sample(dst).AsSlice()), &netlink.RouteGetOptions{OifIndex: slave})
	if err != nil || len(found) == 0 || found[0].LinkIndex != slave {
		return r
	}
	if via, ok := netip.AddrFromSlice(found[0].Gw); ok {
		r.Via = via.Unmap()
	}
	if source, ok := netip.AddrFromSlice(found[0].Src); ok {
		r.Source = source.Unmap()
	}
	if r.Via.Is4() != r.Dst.Addr().Is4() {
		r.Via = netip.Addr{} // an IPv4 route over an IPv6 gateway: not ours to copy
	}
	return r
}

// sample is an address inside dst to ask the routing table about. It is one from
// the middle: those at the beginning are often the host's own or on a smaller
// network that the slave is in, and speak for themselves alone; those at either
// end may be broadcast addresses. For a default route it is one of those that
// RFC 5737 and RFC 3849 keep for documentation.
func sample(dst netip.Prefix) netip.Addr {
	switch {
	case dst.IsSingleIP():
		return dst.Addr()
	case dst.Bits() > 0:
		bytes := dst.Masked().Addr().AsSlice()
		bytes[dst.Bits()/8] |= 0x80 >> (dst.Bits() % 8)
		middle, _ := netip.AddrFromSlice(bytes)
		if dst.Addr().BitLen()-dst.Bits() > 2 {
			return middle.Next()
		}
		return middle
	case dst.Addr().Is4():
		return netip.AddrFrom4([4]byte{192, 0, 2, 1})
	default:
		return netip.MustParseAddr("2001:db8::1")
	}
}

// AddRoute adds a route through the TAP and fails if the host has one to the
// same destination already.
func (i *Interface) AddRoute(r Route) error {
	err := i.reach(r, i.links.h.RouteAdd)
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add route to %s: the host has a route to just that destination", r.Dst)
	}
	if err != nil {
		return fmt.Errorf("add route to %s: %w", r.Dst, err)
	}
	return nil
}

// ReplaceRoute makes a route of the TAP another one. If the TAP has none to that
// destination (any more), it is added.
func (i *Interface) ReplaceRoute(r Route) error {
	have, err := i.HasRoute(r.Dst)
	if err != nil {
		return err
	}
	if !have {
		return i.AddRoute(r)
	}
	if err := i.reach(r, i.links.h.RouteReplace); err != nil {
		return fmt.Errorf("replace route to %s: %w", r.Dst, err)
	}
	return nil
}

// reach makes a route by add. An IPv6 gateway which the kernel would reach
// through another link is refused, on-link or not (net/ipv6/route.c,
// ip6_route_check_nh_onlink). That is looked at only when the route is made, so
// it is enough that the gateway is the TAP's neighbour for that moment.
func (i *Interface) reach(r Route, add func(*netlink.Route) error) error {
	err := add(i.route(r))
	if !errors.Is(err, unix.EINVAL) || !r.Via.Is6() {
		return err
	}
	gateway := i.route(Route{Dst: netip.PrefixFrom(r.Via, r.Via.BitLen())})
	if i.links.h.RouteAdd(gateway) != nil {
		return err
	}
	err = add(i.route(r))
	if delErr := i.links.h.RouteDel(gateway); delErr != nil && !errors.Is(delErr, unix.ESRCH) {
		err = errors.Join(err, fmt.Errorf("remove the temporary route to gateway %s: %w", r.Via, delErr))
	}
	return err
}

// HasRoute says whether there is a route like those of AddRoute to just that
// destination through the TAP.
func (i *Interface) HasRoute(dst netip.Prefix) (bool, error) {
	routes, err := i.links.h.RouteList(i.link, family(dst))
	if err != nil {
		return false, fmt.Errorf("list routes: %w", err)
	}
	want := ipNet(dst).String()
	for _, have := range routes {
		if have.Dst != nil && have.Dst.String() == want && have.Priority == metric(dst) {
			return true, nil
		}
	}
	return false, nil
}

// metric is that of the routes which AddRoute adds. One of another metric is a
// person's; to replace it would mean to replace whatever has this metric.
func metric(dst netip.Prefix) int {
	if dst.Addr().Is4() {
		return 0
	}
	return 1024 // uapi/linux/ipv6_route.h, IP6_RT_PRIO_USER
}

func (i *Interface) route(r Route) *netlink.Route {
	route := &netlink.Route{LinkIndex: i.index, Dst: ipNet(r.Dst)}
	if r.Source.IsValid() {
		route.Src = r.Source.AsSlice()
	}
	switch {
	case r.Via.IsValid():
		// The gateway is on the slave's network; the TAP has no address
		// in it that would say so.
		route.Gw, route.Flags = r.Via.AsSlice(), int(netlink.FLAG_ONLINK)
	case r.Dst.Addr().Is4():
		route.Scope = netlink.SCOPE_LINK
	}
	return route
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: mask(p)}
}

func mask(p netip.Prefix) net.IPMask { return net.CIDRMask(p.Bits(), p.Addr().BitLen()) }

func family(p netip.Prefix) int {
	if p.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
