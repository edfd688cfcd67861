package host

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Address is an address of the host, with the length of its network.
type Address struct {
	Link   int // index
	Prefix netip.Prefix
}

// Addresses lists the addresses of all links, tentative ones included.
func (l *Links) Addresses() ([]Address, error) {
	found, err := dump(func() ([]netlink.Addr, error) { return l.h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var list []Address
	for _, a := range found {
		if p, ok := toPrefix(a.IPNet); ok {
			list = append(list, Address{Link: a.LinkIndex, Prefix: p})
		}
	}
	return list, nil
}

// AddAddress gives the TAP an address with its network. One that it has stays.
func (i *Interface) AddAddress(p netip.Prefix) error {
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: mask(p)}}
	if err := i.links.h.AddrReplace(i.link, addr); err != nil {
		return fmt.Errorf("add address %s: %w", p, err)
	}
	return nil
}
