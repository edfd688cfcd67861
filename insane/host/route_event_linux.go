package host

import (
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// origin is how a device knows itself in a message: the index of its interface, and the
// netlink port from which it changes routes.
type origin struct {
	index int
	port  uint32
}

// addRouteMessage records a change of a route (struct rtmsg). The kernel tells who has asked
// for it, by the netlink port: 0 is the kernel itself, or a program that uses ioctl, as route(8)
// does. Since Linux 6.7 the kernel also tells of IPv4 routes that go with their source address
// (net/ipv4/fib_trie.c, fib_table_flush). With IPv6, the kernel removes the route of all
// multicast groups through a link, which no user removes.
func (e *Events) addRouteMessage(m *syscall.NetlinkMessage, device origin) {
	if len(m.Data) < unix.SizeofRtMsg {
		e.Lost = true
		return
	}
	r := toRouted(m.Data, nil)
	deleted, own := m.Header.Type == unix.RTM_DELROUTE, m.Header.Pid == device.port
	if deleted && r.dst == multicast && r.link == device.index {
		e.NoIPv6 = true
	}
	if !r.decides() {
		return
	}
	e.Routes = true
	e.Foreign = e.Foreign || !own
	byKernel := m.Header.Pid == 0
	if deleted && !own && !byKernel && r.protocol == routeProtocol && r.metric != behind6 && r.through(device.index) {
		e.addDeleted(r.dst)
	}
}

func (e *Events) addDeleted(dst netip.Prefix) {
	if len(e.Deleted) < maxEvents && !slices.Contains(e.Deleted, dst) {
		e.Deleted = append(e.Deleted, dst)
	}
}

var multicast = netip.MustParsePrefix("ff00::/8")
