package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Route is a route through the interface of the device.
type Route struct {
	Dst    netip.Prefix
	Via    netip.Addr // gateway on the slave's link; the zero Addr if the destination is on the link itself
	Source netip.Addr // preferred source address; the zero Addr if the kernel chooses
}

// Borrow asks how packets to dst would leave through the slave, whose index is given. It
// returns a Route with the same gateway and the same source address, for the interface of
// the device. If the kernel knows no way through the slave, the result has only Dst.
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
		r.Via = netip.Addr{} // an IPv4 route over an IPv6 gateway cannot be copied
	}
	return r
}

// sample returns an address inside dst to ask the routing table about. It takes one from
// the middle of the network. Addresses at the beginning often belong to the host itself or
// to a smaller network on the slave, and their route is not the one of the whole network.
// The first and the last address may be broadcast addresses. For a default route it is an
// address that RFC 5737 or RFC 3849 reserves for documentation.
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

// AddRoute adds a route through the interface. It fails if the host already has a route to
// exactly this destination.
func (i *Interface) AddRoute(r Route) error {
	err := i.reach(r, i.links.h.RouteAdd)
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add route to %s: the host has a route to just that destination", r.Dst)
	}
	if err != nil && r.Dst.Addr().Is6() {
		err = i.explainIPv6(err)
	}
	if err != nil {
		return fmt.Errorf("add route to %s: %w", r.Dst, err)
	}
	return nil
}

// ReplaceRoute changes the route of the interface to r.Dst into r. If the interface has no
// route to this destination, ReplaceRoute adds it as AddRoute does.
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

// reach adds or replaces a route by calling add. The kernel refuses an IPv6 gateway if the
// route to the gateway leads through another link, even with the onlink flag
// (net/ipv6/route.c, ip6_route_check_nh_onlink). The kernel checks this only when the
// route is added. So reach adds a temporary route to the gateway through the interface and
// removes it afterwards; it is an error if that route cannot be removed.
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

// HasRoute reports whether the interface has a route to exactly this destination, with the
// metric that AddRoute uses.
func (i *Interface) HasRoute(dst netip.Prefix) (bool, error) {
	if _, err := i.Look(); err != nil {
		return false, err
	}
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

// metric returns the metric of the routes that AddRoute adds. A route with another metric
// belongs to somebody else. Its metric cannot be used here: a replace request would
// replace any route of the host with the same destination and metric.
func metric(dst netip.Prefix) int {
	if dst.Addr().Is4() {
		return 0
	}
	return 1024 // uapi/linux/ipv6_route.h, IP6_RT_PRIO_USER
}

// route turns r into what the netlink library wants.
func (i *Interface) route(r Route) *netlink.Route {
	route := &netlink.Route{LinkIndex: i.Index(), Dst: ipNet(r.Dst)}
	if r.Source.IsValid() {
		route.Src = r.Source.AsSlice()
	}
	switch {
	case r.Via.IsValid():
		// The gateway is in the network of the slave. The interface has no
		// address in that network, so the kernel must be told that the
		// gateway is on the link.
		route.Gw, route.Flags = r.Via.AsSlice(), int(netlink.FLAG_ONLINK)
	case r.Dst.Addr().Is4():
		route.Scope = netlink.SCOPE_LINK
	}
	return route
}

// ipNet returns the network of a prefix.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: mask(p)}
}

func mask(p netip.Prefix) net.IPMask { return net.CIDRMask(p.Bits(), p.Addr().BitLen()) }

// family returns the address family of a prefix: AF_INET or AF_INET6.
func family(p netip.Prefix) int {
	if p.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
