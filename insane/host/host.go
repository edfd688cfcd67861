// Package host is what the device asks of the host that it runs on, and what it
// changes there: links, addresses, routes, settings of /proc, the clock and the
// listener of the control socket. It makes the system calls for that; the frames
// themselves are package port's.
//
//   - host.go: Links, the netlink sockets behind every question and change
//   - link_linux.go: one link by its name or its index, or all links
//   - nowait_linux.go: one link, read without the kernel's lock on configuration
//   - attribute_linux.go: attributes of a link that the netlink library leaves out
//   - queue_linux.go: queueing disciplines, filters of tc, and queues of a link
//   - address_linux.go: the addresses of the host and of the device
//   - table_linux.go: the main routing table
//   - route_linux.go: the routes that lead through the device
//   - watch_linux.go: one subscription to all changes
//   - events_linux.go: what has changed
//   - listen_linux.go: packet sockets that get what a link sends
//   - sysctl_linux.go: settings of IPv4
//   - interface_linux.go: the interface of the device: MAC address, MTU, alias
//   - ipv6_linux.go: the settings of IPv6 on that interface
//   - control_linux.go: the listening control socket
//   - peer_linux.go: the credentials of the peer of a control connection
//   - alias.go: the alias by which devices know each other
//   - clock.go: the kernel's monotonic clock
package host

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Links answers questions about the links of one network namespace and
// changes them, over netlink sockets. It is safe for concurrent use.
type Links struct {
	h   *netlink.Handle
	raw *nl.SocketHandle // for what h has no call for
}

// OpenLinks opens the sockets in the namespace of the calling thread.
func OpenLinks() (*Links, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	raw, err := nl.Subscribe(unix.NETLINK_ROUTE) // to nothing
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	return &Links{h: h, raw: &nl.SocketHandle{Socket: raw}}, nil
}

// Close releases the sockets.
func (l *Links) Close() {
	l.h.Close()
	l.raw.Close()
}
