package host

import (
	"bytes"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// queueFrames is the length in frames of the interface's queue, in which frames wait
// between the host and the relay. The kernel's default of 500 overruns after 5 ms without
// the processor at 100,000 frames a second. 1000 is the value of Ethernet devices.
const queueFrames = 1000

// Interface is the interface of a device, as far as netlink and /proc change it. The
// descriptor of the same interface is port.TAP, the Owner. Each method first asks the owner
// which link the interface is now, so it changes no other link, whatever name or index that
// link has. While the interface is in another network namespace, the methods change nothing
// and return ErrAway. IPv6 settings are written by name through /proc/sys, in the network
// namespace of the process.
//
// The methods may be called from any goroutine. They wait for the kernel's lock on network
// configuration and fail when the interface is deleted.
type Interface struct {
	links *Links
	self  *self
	link  netlink.Link // the same as self, for calls that want a link

	settings Settings // of the slave, as AdoptSettings last gave them to the interface
}

// NewInterface prepares a new interface for a device: it sets the length of the queue and
// keeps IPv6 quiet. It must be called before the interface is set up. links must stay open
// until the last use of the Interface.
func NewInterface(links *Links, owner Owner) (*Interface, error) {
	me := &self{links: links, owner: owner}
	me.seen.Store(&Link{Index: nowhere})
	i := &Interface{links: links, self: me, link: me}
	l, err := i.Look()
	if err != nil {
		return nil, err
	}
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
//
// Adopt, SetMTU and SetAlias do nothing while the interface is in another network namespace:
// the caller makes it look like the slave when it is back.
func (i *Interface) Adopt(slave Link) error {
	if !validUnicast(slave.MAC) {
		return nil
	}
	now, err := i.Look()
	if err != nil {
		return ignore(err, ErrAway)
	}
	if !bytes.Equal(now.MAC, slave.MAC) {
		if err := i.links.h.LinkSetHardwareAddr(i.link, slave.MAC); err != nil {
			return fmt.Errorf("set MAC address of %s to %s: %w", now.Name, slave.MAC, err)
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
	if have, err := i.links.broadcast(i.Index()); err == nil && bytes.Equal(have, broadcast) {
		return nil
	}
	if err := i.links.setBroadcast(i.Index(), broadcast); err != nil {
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

// The range of MTUs, in bytes, that an Ethernet TAP accepts (drivers/net/tun.c,
// tun_net_init).
const (
	MinMTU = 68
	MaxMTU = 65535 - 14
)

// AdoptLink does what Adopt does, and gives the interface the MTU of the slave, or the nearest
// that it can have: see SetMTU.
func (i *Interface) AdoptLink(slave Link) error {
	if err := i.Adopt(slave); err != nil {
		return err
	}
	return i.SetMTU(min(max(slave.MTU, MinMTU), MaxMTU))
}

// SetMTU sets the MTU in bytes. When the MTU falls below MinIPv6MTU, the kernel takes IPv6
// off the interface, with all IPv6 addresses and settings. When it rises again, IPv6 comes
// back as on a new interface (net/ipv6/addrconf.c, addrconf_notify). SetMTU then makes the
// settings of NewInterface again. The caller must add the addresses again.
func (i *Interface) SetMTU(mtu int) error {
	before, err := i.Look()
	if err != nil {
		return ignore(err, ErrAway)
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
	now, err := i.Look()
	if err != nil {
		return err
	}
	if err := i.links.h.LinkSetUp(i.link); err != nil {
		return fmt.Errorf("set %s up: %w", now.Name, err)
	}
	return nil
}

// SetAlias sets the alias that `ip link` shows: at most 255 bytes, "" for none. An alias
// that the interface has already is not set again, as that would be an event.
func (i *Interface) SetAlias(alias string) error {
	now, err := i.Look()
	if err != nil || now.Alias == alias {
		return ignore(err, ErrAway)
	}
	if err := i.links.h.LinkSetAlias(i.link, alias); err != nil {
		return fmt.Errorf("set alias of %s: %w", now.Name, err)
	}
	return nil
}

// Remove deletes the interface, also if other programs have opened it. It does nothing while
// the interface is in another network namespace.
func (i *Interface) Remove() error {
	now, err := i.Look()
	if err != nil {
		return ignore(err, ErrAway)
	}
	if err := i.links.h.LinkDel(i.link); err != nil {
		return fmt.Errorf("delete %s: %w", now.Name, err)
	}
	return nil
}

// Renew makes the settings of a new interface again, after it was in another network
// namespace: the kernel drops most of them on the way. It is for an interface that may be up.
// The goroutine that calls AdoptSettings may call it.
func (i *Interface) Renew() error {
	now, err := i.Look()
	if err != nil {
		return err
	}
	i.settings = Settings{} // AdoptSettings gives them again
	return i.renewIPv6(now.Name)
}

// ignore returns err, or nil if err is the one to ignore.
func ignore(err, which error) error {
	if errors.Is(err, which) {
		return nil
	}
	return err
}
