package host

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// self is how a device knows itself in a message: the index of its interface, and the
// netlink port from which it changes routes.
type self struct {
	index int
	port  uint32
}

// addRouteMessage records a change of a route (struct rtmsg). The kernel tells who has asked
// for it, by his netlink port: 0 is the kernel itself, or a program that uses ioctl. With
// IPv6, the kernel removes the route of all multicast groups through a link, which no
// user removes.
func (e *Events) addRouteMessage(m *syscall.NetlinkMessage, device self) {
	if len(m.Data) < unix.SizeofRtMsg {
		e.Lost = true
		return
	}
	r := toRouted(m.Data)
	deleted, own := m.Header.Type == unix.RTM_DELROUTE, m.Header.Pid == device.port
	if deleted && r.dst == multicast && r.link == device.index {
		e.NoIPv6 = true
	}
	if !r.decides() {
		return
	}
	e.Routes = true
	e.Foreign = e.Foreign || !own
	byKernel := m.Header.Pid == 0 && r.dst.Addr().Is6() // it removes IPv4 routes without a message
	if deleted && !own && !byKernel && r.protocol == routeProtocol && r.metric != behind6 {
		e.addDeleted(r.dst)
	}
}

func (e *Events) addDeleted(dst netip.Prefix) {
	if len(e.Deleted) < maxEvents && !slices.Contains(e.Deleted, dst) {
		e.Deleted = append(e.Deleted, dst)
	}
}

var multicast = netip.MustParsePrefix("ff00::/8")

// routed is what a message says of a route. link is 0 if there are several.
type routed struct {
	dst             netip.Prefix
	metric          uint32
	link            int
	table, protocol byte
}

// toRouted reads a struct rtmsg and what follows it. m has at least SizeofRtMsg bytes.
func toRouted(m []byte) (r routed) {
	addr := everything(int(m[0])).Addr()
	for kind, value := range attributes(m[unix.SizeofRtMsg:]) {
		switch {
		case kind == unix.RTA_DST:
			addr, _ = netip.AddrFromSlice(value)
		case kind == unix.RTA_PRIORITY && len(value) == 4:
			r.metric = binary.NativeEndian.Uint32(value)
		case kind == unix.RTA_OIF && len(value) == 4:
			r.link = int(binary.NativeEndian.Uint32(value))
		}
	}
	r.dst, r.table, r.protocol = netip.PrefixFrom(addr, int(m[1])), m[4], m[5]
	return r
}

// decides reports whether the route can decide where packets go: it is in the main table, and
// its destination is not link-local.
func (r *routed) decides() bool {
	return (r.table == unix.RT_TABLE_MAIN || r.table == unix.RT_TABLE_COMPAT) &&
		!(r.dst.Addr().Is6() && r.dst.Bits() >= 10 && r.dst.Addr().IsLinkLocalUnicast())
}
