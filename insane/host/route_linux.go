package host

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Route is a route through the interface of the device. It must come before every other
// route of the host to the same destination, and must never replace one: then the host has
// its own route again by itself when the interface goes, however it goes.
type Route struct {
	Dst    netip.Prefix
	Via    netip.Addr // gateway on the slave's link; the zero Addr if the destination is on the link itself
	Source netip.Addr // preferred source address; the zero Addr if the kernel chooses

	// Metrics are the MTU, the window, the hop limit and the like that the slave's route gives
	// its packets, as in a message of rtnetlink (RTA_METRICS); "": none.
	Metrics string
}

// routeProtocol is the routing protocol (rtnetlink(7), rtm_protocol) of the routes that the
// device makes. The kernel only passes it on. It tells them from the routes that a user adds.
const routeProtocol = 73

// The metrics of the device's routes. The kernel takes the route with the least metric.
const (
	metric4 = 0 // the least of IPv4; the last one added with one metric comes first
	metric6 = 1 // the least of IPv6: 0 stands for 1024 (uapi/linux/ipv6_route.h, IP6_RT_PRIO_USER)
	behind6 = 2 // of the route behind a route with a gateway: see entriesOf
)

// entry is one route in the kernel's table.
type entry struct {
	Route
	metric int
}

// entriesOf returns what the kernel's table has for a route, the route itself first. An IPv6
// route with a gateway needs a second one behind it. As long as a gateway does not answer,
// the kernel of a host prefers any other route to the destination, also one with a higher
// metric or to a wider network (net/ipv6/route.c, find_match, fib6_table_lookup). Without
// the second route these packets would leave through the slave, unfaulted.
func entriesOf(r Route) []entry {
	if r.Dst.Addr().Is4() {
		return []entry{{r, metric4}}
	}
	list := []entry{{r, metric6}}
	if r.Via.IsValid() {
		list = append(list, behind(r.Dst))
	}
	return list
}

// like reports whether two entries are the same but for the metrics of their packets.
func (e entry) like(other entry) bool {
	e.Metrics = other.Metrics
	return e == other
}

// behind returns an IPv6 route that asks for every destination on the link itself.
func behind(dst netip.Prefix) entry { return entry{Route{Dst: dst}, behind6} }

// put adds a route to the kernel's table. The error is EEXIST if the table has just this one
// already, and with IPv6 also if the host has another route to this destination with this
// metric. In IPv4 the route comes before such a route.
//
// The kernel refuses an IPv6 gateway if the route to the gateway leads through another link,
// even with the onlink flag (net/ipv6/route.c, ip6_route_check_nh_onlink). It checks this
// only when the route is added. So put adds a temporary route to the gateway through the
// interface and removes it afterwards.
func (i *Interface) put(e entry) error {
	err := i.add(e)
	if !errors.Is(err, unix.EINVAL) || !e.Via.Is6() {
		return err
	}
	gateway := entry{Route{Dst: netip.PrefixFrom(e.Via, e.Via.BitLen())}, metric6}
	if i.add(gateway) != nil {
		return err
	}
	return errors.Join(i.add(e), i.remove(gateway))
}

// add is put without the temporary route. On kernels without multipath routes a default
// route has one way only.
func (i *Interface) add(e entry) error {
	flags := unix.NLM_F_CREATE
	if e.Dst.Addr().Is6() {
		flags |= unix.NLM_F_EXCL // else the kernel would share the packets out between the two
	}
	ways := 1
	if e.Dst.Addr().Is4() && e.Dst.Bits() == 0 && e.Via.IsValid() {
		ways = 2
	}
	err := i.request(unix.RTM_NEWROUTE, flags, e, ways)
	if errors.Is(err, unix.EINVAL) && ways > 1 {
		err = i.request(unix.RTM_NEWROUTE, flags, e, 1)
	}
	return err
}

// remove removes exactly this route. It is no error if it is gone already.
func (i *Interface) remove(e entry) error {
	err := i.request(unix.RTM_DELROUTE, 0, e, 1)
	if err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove route to %s: %w", e.Dst, err)
	}
	return nil
}

// request sends RTM_NEWROUTE or RTM_DELROUTE. It uses one socket for all of them, so that
// the device knows its own changes among the events.
//
// An IPv4 default route with a gateway has the same way twice. Of several default routes
// with one metric the kernel takes another as soon as the neighbour entry of the first one's
// gateway is merely old (net/ipv4/fib_semantics.c, fib_select_default): half of the packets
// would leave through the slave. It does not do so with a multipath route. The second way gets
// next to nothing, as the kernel notes redirects and path MTUs for one way only.
//
// The scope tells an IPv4 route that has no source address from one that has: a request to
// delete the first would match the second, too.
func (i *Interface) request(kind, flags int, e entry, ways int) error {
	if _, err := i.Look(); err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(kind, flags|unix.NLM_F_ACK)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: i.links.raw}
	msg := nl.NewRtMsg() // of the main table
	msg.Family, msg.Dst_len, msg.Protocol = uint8(family(e.Dst)), uint8(e.Dst.Bits()), routeProtocol
	if e.Dst.Addr().Is4() && !e.Via.IsValid() && e.Source.IsValid() {
		msg.Scope = unix.RT_SCOPE_LINK
	}
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.RTA_DST, e.Dst.Masked().Addr().AsSlice()))
	if e.Source.IsValid() {
		req.AddData(nl.NewRtAttr(unix.RTA_PREFSRC, e.Source.AsSlice()))
	}
	if e.metric != 0 {
		req.AddData(nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(uint32(e.metric))))
	}
	if e.Metrics != "" {
		req.AddData(nl.NewRtAttr(unix.RTA_METRICS|unix.NLA_F_NESTED, []byte(e.Metrics)))
	}
	if ways > 1 {
		req.AddData(i.multipath(e, ways))
	} else {
		req.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(i.Index()))))
		if e.Via.IsValid() {
			// The gateway is in the network of the slave. The interface has no address in
			// that network, so the kernel must be told that the gateway is on the link.
			msg.Flags = unix.RTNH_F_ONLINK
			req.AddData(gatewayAttribute(e))
		}
	}
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

const maxWeight = 256 // of one way of a multipath route

// multipath returns the attribute for a number of equal ways (struct rtnexthop), of which the
// first one gets almost all packets.
func (i *Interface) multipath(e entry, ways int) *nl.RtAttr {
	var list []byte
	for n := range ways {
		hop := nl.RtNexthop{RtNexthop: unix.RtNexthop{Flags: unix.RTNH_F_ONLINK, Ifindex: int32(i.Index())}}
		if n == 0 {
			hop.Hops = maxWeight - 1
		}
		hop.Children = []nl.NetlinkRequestData{gatewayAttribute(e)}
		list = append(list, hop.Serialize()...)
	}
	return nl.NewRtAttr(unix.RTA_MULTIPATH, list)
}

// gatewayAttribute returns the attribute for the gateway, which in IPv4 can have an IPv6
// address (struct rtvia).
func gatewayAttribute(e entry) *nl.RtAttr {
	if e.Via.Is4() == e.Dst.Addr().Is4() {
		return nl.NewRtAttr(unix.RTA_GATEWAY, e.Via.AsSlice())
	}
	value := append(nl.Uint16Attr(unix.AF_INET6), e.Via.AsSlice()...)
	return nl.NewRtAttr(unix.RTA_VIA, value)
}

// family returns the address family of a prefix: AF_INET or AF_INET6.
func family(p netip.Prefix) int {
	if p.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// exchange replaces the entries old by now, all of one destination, so that at any moment a
// route leads through the interface if one did before. It returns what the table has
// afterwards.
func (i *Interface) exchange(old, now []entry) (have []entry, changed bool, err error) {
	if now[0].Dst.Addr().Is4() {
		return i.exchange4(old, now)
	}
	return i.exchange6(old, now)
}

// exchange4 puts the new route in front of the old one. If the two have different metrics
// only, a request to delete the old one would match the new one, too. So it goes first, and for
// a moment there is none.
func (i *Interface) exchange4(old, now []entry) (have []entry, changed bool, err error) {
	for _, e := range old {
		if e != now[0] && e.like(now[0]) {
			changed, err = true, errors.Join(err, i.remove(e))
		}
	}
	added := i.put(now[0])
	if added != nil && !errors.Is(added, unix.EEXIST) {
		return old, false, added
	}
	for _, e := range old {
		if e != now[0] && !e.like(now[0]) {
			changed, err = true, errors.Join(err, i.remove(e))
		}
	}
	return now, changed || added == nil, err
}

// exchange6 needs the route behind meanwhile, since the table can have one route of a
// destination and a metric only.
func (i *Interface) exchange6(old, now []entry) (have []entry, changed bool, err error) {
	spare := behind(now[0].Dst)
	if len(old) > 0 || len(now) > 1 {
		if err := i.put(spare); err != nil && !errors.Is(err, unix.EEXIST) {
			return old, false, err
		}
		have = []entry{spare}
	}
	for _, e := range old {
		if e != spare {
			if err := i.remove(e); err != nil {
				return old, true, err
			}
		}
	}
	if err := i.put(now[0]); err != nil {
		return have, true, err
	}
	if len(have) > 0 && len(now) == 1 {
		return now, true, i.remove(spare)
	}
	return now, true, nil
}

// removeAll removes exactly these routes.
func (i *Interface) removeAll(list []entry) (err error) {
	for _, e := range list {
		err = errors.Join(err, i.remove(e))
	}
	return err
}
