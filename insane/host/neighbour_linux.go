package host

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Neighbour is a host that this host has looked for through a link.
type Neighbour struct {
	Addr     netip.Addr
	Answered bool          // the kernel knows its link-layer address
	Unused   time.Duration // since a packet for it was last sent, or waited for its answer
}

// userTick is the unit of times in the table of neighbours: 1/USER_HZ
// (include/uapi/linux/neighbour.h, struct nda_cacheinfo).
const userTick = time.Second / 100

// Neighbours lists the neighbours of a link, by ARP and by neighbour discovery. It leaves
// out multicast addresses, for which nobody is asked.
func (l *Links) Neighbours(index int) (list []Neighbour, err error) {
	found, err := dump(func() ([]netlink.Neigh, error) { return l.h.NeighList(index, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list neighbours: %w", err)
	}
	for _, n := range found {
		addr, ok := netip.AddrFromSlice(n.IP)
		if !ok || n.State&unix.NUD_NOARP != 0 || n.State == unix.NUD_NONE {
			continue
		}
		list = append(list, Neighbour{addr.Unmap(), n.State&(unix.NUD_INCOMPLETE|unix.NUD_FAILED) == 0, time.Duration(n.Used) * userTick})
	}
	return list, nil
}

// BridgeOf returns the name of the bridge that a link is a port of; "" if there is none, or
// if the kernel does not answer.
func (l *Links) BridgeOf(index int) string {
	port, err := l.ByIndex(index)
	if err != nil || port.Master == 0 {
		return ""
	}
	master, err := l.h.LinkByIndex(port.Master)
	if err != nil || master.Type() != "bridge" {
		return ""
	}
	return master.Attrs().Name
}
