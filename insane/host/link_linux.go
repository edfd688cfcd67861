package host

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
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
	if err != nil {
		return Link{}, lookUpError(err, name)
	}
	return toLink(found.Attrs()), nil
}

// ByIndex finds a link by its number. The error is ErrNoLink if there is none.
func (l *Links) ByIndex(index int) (Link, error) {
	found, err := l.h.LinkByIndex(index)
	if err != nil {
		return Link{}, lookUpError(err, fmt.Sprintf("index %d", index))
	}
	return toLink(found.Attrs()), nil
}

// lookUpError is the error of a look-up that failed: ErrNoLink if the kernel says
// that there is no such link, and the kernel's own error otherwise.
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
