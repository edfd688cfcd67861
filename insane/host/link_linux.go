package host

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoLink is the error of a look-up if there is no such link. Other errors of a look-up
// say nothing about whether the link exists.
var ErrNoLink = errors.New("no such link")

// Link is a network interface, as it was when the kernel was asked.
type Link struct {
	Index       int // stays the same when the link is renamed
	Name        string
	Alias       string
	Ethernet    bool // ARPHRD_ETHER
	Loopback    bool // ARPHRD_LOOPBACK
	MTU         int  // bytes
	MAC         net.HardwareAddr
	Up          bool // administratively
	Carrier     bool // up, with a cable plugged in at both ends
	QueueLen    int  // most frames that wait on the way out; of a TAP, in its queue
	Promiscuity int  // number of users that want frames for all MAC addresses, such as a bridge or tcpdump
	XDP         bool // an XDP program is attached, in whatever mode
	Master      int  // index of the bridge, bond or VRF that the link is part of; 0: none
	Bonded      bool // the link is part of a bond, which decides about its MAC address
	Parent      int  // of a VLAN, macvlan or ipvlan: index of the link below it; 0: none in this namespace
	Queues      int  // of a TAP: how many descriptors are queues of it, also those that are switched off; 0 for other links

	Persists bool // of a TAP: it stays when nobody has it open any more (TUNSETPERSIST)

	// TxDropped counts the packets that the kernel could not give to the interface. For a
	// TAP these are the frames that found its queue full or that came while it had no
	// carrier (net/sched/sch_generic.c, noop_enqueue).
	TxDropped uint64
}

// ByName looks a link up by its name. Alternative names do not count. The error is
// ErrNoLink if there is no such link, or if no link can have that name. If it is the
// alternative name of a link, the error comes with a Link that has its name only.
func (l *Links) ByName(name string) (Link, error) {
	if len(name) == 0 || len(name) >= unix.IFNAMSIZ {
		return Link{}, fmt.Errorf("%w: %q", ErrNoLink, name)
	}
	found, err := l.h.LinkByName(name)
	if err == nil && found.Attrs().Name != name {
		return Link{Name: found.Attrs().Name}, lookUpError(netlink.LinkNotFoundError{}, name)
	}
	if err != nil {
		return Link{}, lookUpError(err, name)
	}
	return toLink(found), nil
}

// ByIndex looks a link up by its index. The error is ErrNoLink if there is no such link.
func (l *Links) ByIndex(index int) (Link, error) {
	found, err := l.h.LinkByIndex(index)
	if err != nil {
		return Link{}, lookUpError(err, fmt.Sprintf("index %d", index))
	}
	return toLink(found), nil
}

// lookUpError returns the error for a look-up that failed: ErrNoLink if the kernel says
// that there is no such link, and otherwise the kernel's own error.
func lookUpError(err error, wanted string) error {
	if errors.As(err, &netlink.LinkNotFoundError{}) || errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("%w: %s", ErrNoLink, wanted)
	}
	return fmt.Errorf("look up link %s: %w", wanted, err)
}

// All lists the links of the namespace.
func (l *Links) All() ([]Link, error) {
	found, err := dump(l.h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	links := make([]Link, len(found))
	for i, f := range found {
		links[i] = toLink(f)
	}
	return links, nil
}

// toLink copies the attributes that a Link has. Flags come from RawFlags, since the
// library's own flags lack IFF_LOWER_UP.
func toLink(found netlink.Link) Link {
	a := found.Attrs()
	link := Link{
		Index: a.Index, Name: a.Name, Alias: a.Alias, MTU: a.MTU, MAC: a.HardwareAddr,
		Ethernet:    a.EncapType == "ether",
		Loopback:    a.EncapType == "loopback",
		Up:          a.RawFlags&unix.IFF_UP != 0,
		Carrier:     a.RawFlags&unix.IFF_LOWER_UP != 0,
		Promiscuity: a.Promisc, QueueLen: a.TxQLen,
		XDP:    a.Xdp != nil && a.Xdp.Attached,
		Master: a.MasterIndex,
	}
	if a.Statistics != nil {
		link.TxDropped = a.Statistics.TxDropped
	}
	_, link.Bonded = a.Slave.(*netlink.BondSlave)
	if tap, ok := found.(*netlink.Tuntap); ok {
		link.Queues, link.Persists = tap.Queues+tap.DisabledQueues, !tap.NonPersist
	}
	switch found.Type() {
	case "vlan", "macvlan", "macvtap", "ipvlan", "ipvtap":
		if a.NetNsID < 0 { // else the index is one of another namespace (IFLA_LINK_NETNSID)
			link.Parent = a.ParentIndex
		}
	}
	return link
}
