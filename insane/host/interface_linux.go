package host

import (
	"bytes"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// queueFrames is the length in frames of the interface's queue, in which frames wait
// between the host and the relay. The kernel's default of 500 overruns after 5 ms without
// the processor at 100,000 frames a second. 1000 is the value of Ethernet devices.
const queueFrames = 1000

// Interface is the interface of a device, as far as netlink and /proc change it. The
// descriptor of the same interface is port.TAP. An Interface is identified by its index,
// so renaming the interface does not matter; error messages show the name that it had when
// NewInterface was called. IPv6 settings are the exception: they are written by name
// through /proc/sys, in the network namespace of the process.
//
// The methods may be called from any goroutine. They wait for the kernel's lock on network
// configuration and fail when the interface is deleted.
type Interface struct {
	links *Links
	index int
	link  netlink.Link // for calls that want one; only its index is used

	settings Settings // of the slave, as AdoptSettings last gave them to the interface
}

// NewInterface prepares a new interface for a device: it sets the length of the queue and
// keeps IPv6 quiet. It must be called before the interface is set up. links must stay open
// until the last use of the Interface.
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

// Adopt copies the MAC address and the broadcast address of the slave, so that frames of
// the host look like the slave's own. A loopback slave has no MAC address that an Ethernet
// interface could take; then Adopt does nothing. Addresses that the interface has already
// are not set again, as each setting is an event, even for the device itself.
func (i *Interface) Adopt(slave Link) error {
	if !validUnicast(slave.MAC) {
		return nil
	}
	self, err := i.links.ByIndex(i.index)
	if err != nil {
		return err
	}
	if !bytes.Equal(self.MAC, slave.MAC) {
		if err := i.links.h.LinkSetHardwareAddr(i.link, slave.MAC); err != nil {
			return fmt.Errorf("set MAC address of %s to %s: %w", i.link.Attrs().Name, slave.MAC, err)
		}
	}
	return i.adoptBroadcast(slave.Index)
}

// adoptBroadcast copies the link-layer broadcast address of a link.
func (i *Interface) adoptBroadcast(slave int) error {
	broadcast, err := i.links.broadcast(slave)
	if err != nil {
		return err
	}
	if have, err := i.links.broadcast(i.index); err == nil && bytes.Equal(have, broadcast) {
		return nil
	}
	if err := i.links.setBroadcast(i.index, broadcast); err != nil {
		return fmt.Errorf("set broadcast address of %s to %s: %w", i.link.Attrs().Name, broadcast, err)
	}
	return nil
}

// validUnicast reports what the kernel's is_valid_ether_addr does
// (include/linux/etherdevice.h): the address is neither multicast nor zero.
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

// MinIPv6MTU is the least MTU in bytes with which an interface can carry IPv6 (RFC 8200
// §5).
const MinIPv6MTU = 1280

// SetMTU sets the MTU in bytes. When the MTU falls below MinIPv6MTU, the kernel takes IPv6
// off the interface, with all IPv6 addresses and settings. When it rises again, IPv6 comes
// back as on a new interface (net/ipv6/addrconf.c, addrconf_notify). SetMTU then makes the
// settings of NewInterface again. The caller must add the addresses again.
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

// SetUp sets the interface up, as `ip link set up` does.
func (i *Interface) SetUp() error {
	if err := i.links.h.LinkSetUp(i.link); err != nil {
		return fmt.Errorf("set %s up: %w", i.link.Attrs().Name, err)
	}
	return nil
}

// SetAlias sets the alias that `ip link` shows: at most 255 bytes, "" for none. An alias
// that the interface has already is not set again, as that would be an event.
func (i *Interface) SetAlias(alias string) error {
	if self, err := i.links.ByIndex(i.index); err == nil && self.Alias == alias {
		return nil
	}
	if err := i.links.h.LinkSetAlias(i.link, alias); err != nil {
		return fmt.Errorf("set alias of %s: %w", i.link.Attrs().Name, err)
	}
	return nil
}
