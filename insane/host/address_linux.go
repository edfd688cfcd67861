package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Address is an IP address of the host.
type Address struct {
	Link   int          // index of the link that has it
	Prefix netip.Prefix // the address itself, with the length of its network
	Peer   netip.Prefix // of a point-to-point address; a link can have one address with several peers
}

// Addresses lists the addresses of all links. It includes tentative addresses, for which
// duplicate address detection is not finished. Prefix is the
// address of the host, not the one of the peer.
func (l *Links) Addresses() ([]Address, error) {
	found, err := dump(func() ([]netlink.Addr, error) { return l.h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var list []Address
	for _, a := range found {
		if p, ok := toPrefix(a.IPNet); ok {
			peer, _ := toPrefix(a.Peer)
			list = append(list, Address{Link: a.LinkIndex, Prefix: p, Peer: peer})
		}
	}
	return list, nil
}

// AddAddress gives the interface an address with its network. If the interface has the
// address already, nothing happens: no event says that it changed. The kernel refuses
// multicast addresses, and IPv6 addresses while the MTU is below MinIPv6MTU.
func (i *Interface) AddAddress(p netip.Prefix) error {
	if _, err := i.Look(); err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: mask(p)}}
	err := i.links.h.AddrAdd(i.link, addr)
	if err == nil || errors.Is(err, unix.EEXIST) {
		return nil
	}
	if p.Addr().Is6() {
		err = i.explainIPv6(err)
	}
	return fmt.Errorf("add address %s: %w", p, err)
}

// AddAddresses gives the interface addresses. It returns those that the kernel refuses; it
// adds the others nevertheless. err joins the refusals.
func (i *Interface) AddAddresses(list []netip.Prefix) (refused []netip.Prefix, err error) {
	for _, a := range list {
		if no := i.AddAddress(a); no != nil {
			refused, err = append(refused, a), errors.Join(err, no)
		}
	}
	return refused, err
}

// Only4 are the IPv4 addresses of a list.
func Only4(all []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(all), func(a netip.Prefix) bool { return a.Addr().Is6() })
}

// Only6 are the IPv6 addresses of a list: those that are lost when the kernel
// takes IPv6 off the interface.
func Only6(all []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(all), func(a netip.Prefix) bool { return a.Addr().Is4() })
}

// toPrefix turns an address and its mask into a prefix. An IPv4 address in IPv6 form
// becomes IPv4. It returns false if there is no address or no valid mask.
func toPrefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	bits, of := n.Mask.Size()
	if addr = addr.Unmap(); addr.Is4() && of == 128 {
		bits -= 96
	}
	return netip.PrefixFrom(addr, bits), ok && bits >= 0
}
