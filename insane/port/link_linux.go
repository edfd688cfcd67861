package port

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ErrNoLink is what a look-up of a link that does not exist returns.
var ErrNoLink = errors.New("no such link")

// Link is a network interface as it was when it was asked for.
type Link struct {
	Index       int
	Name        string
	Alias       string
	Ethernet    bool // ARPHRD_ETHER
	Loopback    bool // ARPHRD_LOOPBACK
	MTU         int  // bytes
	MAC         net.HardwareAddr
	Up          bool // administratively
	Carrier     bool // up and with a cable that leads somewhere
	QueueLen    int  // frames that wait at most on the way out; of a TAP, in its queue
	Promiscuity int  // how many want what is addressed to others: a bridge, tcpdump
	Master      int  // index of the bridge, bond or VRF that it is part of; 0: none

	// TxDropped counts what the kernel could not hand to the interface. For
	// a TAP these are frames that found its queue full, or that came while
	// it had no carrier (net/sched/sch_generic.c, noop_enqueue).
	TxDropped uint64
}

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

// ByName finds a link by its name; alternative names do not count. The error
// is ErrNoLink if there is none.
func (l *Links) ByName(name string) (Link, error) {
	if len(name) == 0 || len(name) >= unix.IFNAMSIZ {
		return Link{}, fmt.Errorf("%w: %q", ErrNoLink, name)
	}
	found, err := l.h.LinkByName(name)
	if err == nil && found.Attrs().Name != name {
		err = netlink.LinkNotFoundError{}
	}
	return newLink(found, name, err)
}

// ByIndex finds a link by its number. The error is ErrNoLink if there is none.
func (l *Links) ByIndex(index int) (Link, error) {
	found, err := l.h.LinkByIndex(index)
	return newLink(found, fmt.Sprintf("index %d", index), err)
}

func newLink(found netlink.Link, wanted string, err error) (Link, error) {
	if errors.As(err, &netlink.LinkNotFoundError{}) || errors.Is(err, unix.ENODEV) {
		return Link{}, fmt.Errorf("%w: %s", ErrNoLink, wanted)
	}
	if err != nil {
		return Link{}, fmt.Errorf("look up link %s: %w", wanted, err)
	}
	return toLink(found.Attrs()), nil
}

// All lists the links of the namespace.
func (l *Links) All() ([]Link, error) {
	found, err := dump(l.h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	links := make([]Link, len(found))
	for i, f := range found {
		links[i] = toLink(f.Attrs())
	}
	return links, nil
}

func toLink(a *netlink.LinkAttrs) Link {
	link := Link{
		Index: a.Index, Name: a.Name, Alias: a.Alias, MTU: a.MTU, MAC: a.HardwareAddr,
		Ethernet:    a.EncapType == "ether",
		Loopback:    a.EncapType == "loopback",
		Up:          a.RawFlags&unix.IFF_UP != 0,
		Carrier:     a.RawFlags&unix.IFF_LOWER_UP != 0,
		Promiscuity: a.Promisc, QueueLen: a.TxQLen,
		Master: a.MasterIndex,
	}
	if a.Statistics != nil {
		link.TxDropped = a.Statistics.TxDropped
	}
	return link
}

// Egress says what else than the driver has to do with what a link sends: a queueing
// discipline, or filters of tc; "" if nothing has. clsact: filters there are known.
func (l *Links) Egress(index int, clsact bool) (string, error) {
	qdisc, err := l.attribute(index, unix.IFLA_QDISC)
	if err != nil {
		return "", err
	}
	if kind := unix.ByteSliceToString(qdisc); kind != "noqueue" && kind != "noop" {
		return "queueing discipline " + kind, nil
	}
	if clsact {
		return "", nil
	}
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
	filters, err := l.h.FilterList(link, netlink.HANDLE_MIN_EGRESS)
	if err == nil && len(filters) > 0 {
		return "filters of tc at egress", nil
	}
	return "", nil // an error says that there is no place for any
}

// QdiscByDefault reports whether a link's queueing discipline is one that nobody has
// asked for: the kernel's choice for a link that has lost its own
// (net/sched/sch_generic.c, attach_default_qdiscs).
func (l *Links) QdiscByDefault(index int) (bool, error) {
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
	found, err := dump(func() ([]netlink.Qdisc, error) { return l.h.QdiscList(link) })
	if err != nil {
		return false, fmt.Errorf("list queueing disciplines: %w", err)
	}
	for _, q := range found {
		// Only one that is asked for has a handle (net/sched/sch_api.c, qdisc_create).
		if a := q.Attrs(); a.Parent == netlink.HANDLE_ROOT {
			return a.Handle == 0, nil
		}
	}
	return true, nil
}

// broadcast is the link-layer broadcast address of a link.
func (l *Links) broadcast(index int) (net.HardwareAddr, error) {
	return l.attribute(index, unix.IFLA_BROADCAST)
}

// attribute is one that the netlink library leaves out of its links; nil if the link
// does not have it.
func (l *Links) attribute(index int, kind uint16) ([]byte, error) {
	req := l.request(unix.RTM_GETLINK, 0, index)
	msgs, err := req.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil {
		return nil, fmt.Errorf("look up link index %d: %w", index, err)
	}
	for _, m := range msgs {
		attrs, err := nl.ParseRouteAttr(m[unix.SizeofIfInfomsg:])
		if err != nil {
			return nil, fmt.Errorf("parse link index %d: %w", index, err)
		}
		for _, a := range attrs {
			if a.Attr.Type == kind {
				return a.Value, nil
			}
		}
	}
	return nil, nil
}

// setBroadcast sets what broadcast reads.
func (l *Links) setBroadcast(index int, addr net.HardwareAddr) error {
	req := l.request(unix.RTM_SETLINK, unix.NLM_F_ACK, index)
	req.AddData(nl.NewRtAttr(unix.IFLA_BROADCAST, addr))
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func (l *Links) request(kind, flags, index int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: l.raw}
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	return req
}
