package host

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// queueFrames is the length in frames of the interface's queue: of what the host has
// sent and the relay has not read yet. The kernel's default of 500 overruns after 5 ms
// without the processor at 100,000 frames a second; 1000 is what Ethernet devices have.
const queueFrames = 1000

// Interface is the network interface of a device, as the kernel has it: the half of
// the TAP that is changed by netlink and /proc. It is known by its index, so that
// renaming does not matter; the name in its errors is the one it had at first. All
// methods fail when the interface is gone. They may be called from any goroutine, and
// each waits for the kernel's lock on network configuration. IPv6 settings are
// written by name through /proc/sys, in the namespace of the process.
type Interface struct {
	links *Links
	index int
	link  netlink.Link // for calls that want one; only its index is used
}

// NewInterface prepares a new interface for a device: it sets the length of its queue
// and keeps IPv6 quiet on it. It must be called before the interface is set up. The
// Links stay the caller's and must not be closed before the last use of the Interface.
func NewInterface(links *Links, index int) (*Interface, error) {
	l, err := links.ByIndex(index)
	if err != nil {
		return nil, err
	}
	i := &Interface{links: links, index: index,
		link: &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index, Name: l.Name}}}
	if err := links.h.LinkSetTxQLen(i.link, queueFrames); err != nil {
		return nil, fmt.Errorf("set queue length of %s: %w", l.Name, err)
	}
	if err := i.quietIPv6(l.Name); err != nil {
		return nil, fmt.Errorf("set up %s: %w", l.Name, err)
	}
	return i, nil
}

// Adopt copies the MAC and the broadcast address of the slave, as the original
// did, so that what the host sends looks like the slave's own. A loopback slave
// has no address that an Ethernet interface could take; the TAP keeps its own
// then.
func (i *Interface) Adopt(slave Link) error {
	if !validUnicast(slave.MAC) {
		return nil
	}
	if err := i.links.h.LinkSetHardwareAddr(i.link, slave.MAC); err != nil {
		return fmt.Errorf("set MAC address of %s to %s: %w", i.link.Attrs().Name, slave.MAC, err)
	}
	broadcast, err := i.links.broadcast(slave.Index)
	if err != nil {
		return err
	}
	if err := i.links.setBroadcast(i.index, broadcast); err != nil {
		return fmt.Errorf("set broadcast address of %s to %s: %w", i.link.Attrs().Name, broadcast, err)
	}
	return nil
}

// validUnicast is include/linux/etherdevice.h, is_valid_ether_addr.
func validUnicast(mac net.HardwareAddr) bool {
	if len(mac) != 6 || mac[0]&1 != 0 {
		return false
	}
	for _, b := range mac {
		if b != 0 {
			return true
		}
	}
	return false
}

// MinIPv6MTU is the least an interface needs to carry IPv6 (RFC 8200 §5).
const MinIPv6MTU = 1280

// SetMTU takes bytes. When the MTU falls below what IPv6 needs, the kernel takes
// IPv6 off the interface, with all its addresses and settings; when it rises
// again, IPv6 comes back as on a new interface (net/ipv6/addrconf.c,
// addrconf_notify). SetMTU makes the settings again; addresses are the caller's.
func (i *Interface) SetMTU(mtu int) error {
	before, err := i.links.ByIndex(i.index)
	if err != nil {
		return err
	}
	if err := i.links.h.LinkSetMTU(i.link, mtu); err != nil {
		return fmt.Errorf("set MTU of %s to %d: %w", before.Name, mtu, err)
	}
	if before.MTU >= MinIPv6MTU || mtu < MinIPv6MTU {
		return nil
	}
	return i.renewIPv6(before.Name)
}

// SetUp does what `ip link set up` does.
func (i *Interface) SetUp() error {
	if err := i.links.h.LinkSetUp(i.link); err != nil {
		return fmt.Errorf("set %s up: %w", i.link.Attrs().Name, err)
	}
	return nil
}

// SetAlias sets what `ip link` shows as alias; at most 255 bytes.
func (i *Interface) SetAlias(alias string) error {
	if err := i.links.h.LinkSetAlias(i.link, alias); err != nil {
		return fmt.Errorf("set alias of %s: %w", i.link.Attrs().Name, err)
	}
	return nil
}
