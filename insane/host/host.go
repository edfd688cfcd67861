// Package host asks and changes the host that the device runs on: links, addresses, routes,
// settings of /proc, the clock and the listener of the control socket. It makes the system
// calls for that. The frames themselves belong to package port.
//
// An answer is a copy of what the kernel had when it was asked, and may be out of date
// when the caller reads it. Links.Watch says when to ask again. A function that returns
// no error says what it returns instead if the kernel does not answer.
//
// A netlink socket belongs to the network namespace in which it was opened, and /proc to
// that of the calling thread or of the process. A daemon stays in one namespace; tests
// that make namespaces must look at what each function says.
//
//   - host.go: Links, the netlink sockets behind every question and change
//   - link_linux.go: one link by its name or its index, or all links
//   - nowait_linux.go: one link, read without the kernel's lock on configuration
//   - attribute_linux.go: attributes of a link that the netlink library leaves out
//   - queue_linux.go: queueing disciplines, filters of tc, and queues of a link
//   - address_linux.go: the addresses of the host and of the device
//   - table_linux.go: the main routing table
//   - neighbour_linux.go: the neighbours of a link, and the bridge that it is a port of
//   - route_linux.go: the routes that lead through the device, in front of all others
//   - bypass_linux.go: whether packets leave past it nevertheless
//   - borrow_linux.go: which way the slave's own routes lead
//   - given_linux.go: what the user asked for of the interface
//   - given_route_linux.go: the routes among that
//   - watch_linux.go: one subscription to all changes
//   - split_linux.go: the part of it that is about the device, which no storm reaches
//   - events_linux.go: Events, which say what has changed
//   - route_event_linux.go: who has changed a route
//   - route_message_linux.go: what a message of the kernel says of a route
//   - nftables_linux.go: chains of nftables that see what a link sends
//   - packet_linux.go: packet sockets that get what a link sends
//   - sysctl_linux.go: who answers and who is refused, by the settings of IPv4
//   - ipv4_linux.go: the settings that the device shares with its slave
//   - proxy_linux.go: proxy ARP for single addresses
//   - interface_linux.go: the interface of the device: MAC address, MTU, alias
//   - self_linux.go: which link that interface is
//   - ipv6_linux.go: the settings of IPv6 on that interface
//   - control_linux.go: the listening control socket
//   - netns_linux.go: another network namespace: the way in, and its end
//   - directory_linux.go: its directory, in which nobody else can replace it
//   - lock_linux.go: a lock among daemons, which no other user can hold
//   - accept_linux.go: the connections of the control socket
//   - await_linux.go: waits for the socket of a daemon that ends
//   - peer_linux.go: the credentials of the peer of a control connection
//   - command_linux.go: the name of its process
//   - alias.go: the alias by which devices know each other
//   - clock.go: the kernel's monotonic clock
package host

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Links answers questions about the links, addresses and routes of one network namespace
// and changes them, over netlink sockets. It is safe for concurrent use. Every question
// and every change waits for the kernel's lock on network configuration, which another
// process may hold for seconds, except ByIndexNoWait and EgressChain.
type Links struct {
	h      *netlink.Handle
	tables *nl.SocketHandle // for the routing table: a socket is locked as long as a list is read
	raw    *nl.SocketHandle // for requests that h has no call for
	routes atomic.Int64     // how many routes the last list had

	nftables nftables
}

// OpenLinks opens the sockets in the network namespace of the calling thread. The caller
// must call Close.
func OpenLinks() (*Links, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	tables, err := nl.Subscribe(unix.NETLINK_ROUTE) // without a group: it gets answers only
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	raw, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		h.Close()
		tables.Close()
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	return &Links{h: h, tables: &nl.SocketHandle{Socket: tables}, raw: &nl.SocketHandle{Socket: raw}}, nil
}

// Close closes the sockets. No other method may be called during Close or after it.
func (l *Links) Close() {
	l.h.Close()
	l.tables.Close()
	l.raw.Close()
	l.nftables.close()
}

// dumpTries is how often at most a list is asked for that changes while it is read.
const dumpTries = 30

// dump asks for a list and asks again if the list changed while it was read, because then
// an entry may be missing that was there all the time
// (Documentation/userspace-api/netlink/intro.rst, dump consistency). After dumpTries it
// returns netlink.ErrDumpInterrupted.
func dump[T any](list func() ([]T, error)) (found []T, err error) {
	for range dumpTries {
		if found, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return found, err
}
