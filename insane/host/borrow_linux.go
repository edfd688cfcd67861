package host

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Borrow asks how packets to dst would leave through the slave, whose index is given. It
// returns a Route with the same gateway, source address and metrics, for the interface of
// the device. Without a route through the slave the result has no gateway. way is true if
// the slave has a route to just this destination or to a wider one; a default route is the
// only one that says so for a default route.
func (l *Links) Borrow(dst netip.Prefix, slave int) (r Route, way bool) {
	r = Route{Dst: dst}
	addr, like, way := l.sampleThrough(dst, slave)
	found, err := l.h.RouteGetWithOptions(addr.AsSlice(), &netlink.RouteGetOptions{OifIndex: slave})
	if err != nil || len(found) == 0 || found[0].LinkIndex != slave {
		return r, false
	}
	r.Via, r.Metrics = gateway(found[0].Gw, found[0].Via), string(like.metrics)
	source, ok := netip.AddrFromSlice(found[0].Src)
	if ok && (source.Is4() || like.names || !l.chooses(slave)) {
		r.Source = source.Unmap()
	}
	// A link-local address is of one link only. It is the answer as long as the kernel
	// looks for duplicates of the other addresses.
	if r.Source.Is6() && source.IsLinkLocalUnicast() {
		r.Source = netip.Addr{}
	}
	return r, way
}

// LeavesBy returns the index of the link by which packets of this host leave; 0 if there is no
// way. source is their source address.
func (l *Links) LeavesBy(to, source netip.Addr) int {
	found, err := l.h.RouteGetWithOptions(to.AsSlice(), &netlink.RouteGetOptions{SrcAddr: source.AsSlice()})
	if err != nil || len(found) == 0 {
		return 0
	}
	return found[0].LinkIndex
}

// chooses reports whether the kernel takes the same IPv6 source addresses for the interface
// as for a link, by itself: no other link has one that it could take. For every destination it
// chooses the address that fits best (RFC 6724), which one address in a route cannot express.
// Of several links it prefers the one that the packet leaves through.
func (l *Links) chooses(link int) bool {
	all, err := dump(func() ([]netlink.Addr, error) { return l.h.AddrList(nil, unix.AF_INET6) })
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(all, func(a netlink.Addr) bool {
		return a.LinkIndex != link && !a.IP.IsLinkLocalUnicast() && !a.IP.IsLoopback()
	})
}

// sampleThrough returns an address inside dst, and whether the route to it through a link is
// one to dst or to a wider network; then also that route. It tries several addresses, as a
// smaller network inside dst can have a route of its own. IPv4 alone would answer without any
// route, as if all the world were on the link (net/ipv4/route.c, ip_route_output_key_hash_rcu).
func (l *Links) sampleThrough(dst netip.Prefix, index int) (addr netip.Addr, r routed, way bool) {
	for _, addr := range samples(dst) {
		if r, err := l.ask(addr, index); err == nil && len(r.hops) > 0 && r.dst.Bits() <= dst.Bits() {
			return addr, r, true
		}
	}
	return samples(dst)[0], routed{}, false
}

// matched returns the route that packets to addr take through a link; 0 is any. ok is false
// if it is not of the main table, as the route of the host's own addresses. The error is
// ENETUNREACH or EHOSTUNREACH if there is none.
func (l *Links) matched(addr netip.Addr, index int) (r routed, ok bool, err error) {
	r, err = l.ask(addr, index)
	return r, err == nil && r.lists(), err
}

// ask is matched for any table. A route of no links has no hops: one of the host's own
// addresses, or one that refuses.
func (l *Links) ask(addr netip.Addr, index int) (r routed, err error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, 0)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: l.raw}
	of := netip.PrefixFrom(addr, addr.BitLen())
	req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family(of)), Dst_len: uint8(of.Bits()), Flags: unix.RTM_F_FIB_MATCH | unix.RTM_F_LOOKUP_TABLE}})
	req.AddData(nl.NewRtAttr(unix.RTA_DST, addr.AsSlice()))
	if index != 0 {
		req.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))))
	}
	found, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	if err == nil && (len(found) == 0 || len(found[0]) < unix.SizeofRtMsg) {
		err = unix.ENETUNREACH
	}
	if err != nil {
		return r, err
	}
	return toRouted(found[0], nil), nil
}

// Lost reports whether the interface has no IPv4 route to exactly this destination, or one
// that the kernel never takes: the host has another one with the same metric before it. That
// of another device may come before it. Lost does not list the table, and does not wait for
// the kernel's lock on network configuration. If narrower routes through the interface hide
// the answer, it is false. It is false for IPv6, where the kernel tells of each route that it
// removes.
func (i *Interface) Lost(dst netip.Prefix) bool {
	if dst.Addr().Is6() {
		return false
	}
	for _, addr := range samples(dst) {
		r, ok, err := i.links.matched(addr, i.Index())
		if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
			return true
		}
		if err != nil || !ok || r.dst.Bits() > dst.Bits() {
			continue
		}
		return r.dst.Bits() < dst.Bits() || i.behind(addr, dst)
	}
	return false
}

// behind reports whether packets to addr take another route to the network dst than that of
// the interface.
func (i *Interface) behind(addr netip.Addr, dst netip.Prefix) bool {
	r, ok, err := i.links.matched(addr, 0)
	return err == nil && ok && r.dst == dst && r.metric == metric4 && r.protocol != routeProtocol && !r.through(i.Index())
}

// samples returns addresses inside dst to ask the routing table about. The first one is from
// the middle of the network: addresses at the beginning often belong to the host itself or
// to a smaller network. The first and the last address may be broadcast addresses. For a
// default route they are addresses that RFC 5737, RFC 3849 and RFC 9637 reserve for
// documentation.
func samples(dst netip.Prefix) []netip.Addr {
	switch {
	case dst.IsSingleIP():
		return []netip.Addr{dst.Addr()}
	case dst.Bits() == 0 && dst.Addr().Is4():
		return addrs("192.0.2.1", "198.51.100.1", "203.0.113.1")
	case dst.Bits() == 0:
		return addrs("2001:db8::1", "3fff::1", "2001:db8:ffff::1")
	}
	first, rest := dst.Masked().Addr(), dst.Addr().BitLen()-dst.Bits()
	bytes := first.AsSlice()
	bytes[dst.Bits()/8] |= 0x80 >> (dst.Bits() % 8)
	middle, _ := netip.AddrFromSlice(bytes)
	if rest <= 2 {
		return []netip.Addr{middle, first.Next()}
	}
	return []netip.Addr{middle.Next(), middle.Prev().Prev(), first.Next().Next()}
}

func addrs(texts ...string) (list []netip.Addr) {
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func mask(p netip.Prefix) net.IPMask { return net.CIDRMask(p.Bits(), p.Addr().BitLen()) }
