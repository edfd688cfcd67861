package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Address is an IP address of the host.
type Address struct {
	Link   int          // index of the link that has it
	Prefix netip.Prefix // the address itself, with the length of its network
}

// Addresses lists the addresses of all links. It includes tentative addresses, for which
// duplicate address detection is not finished. For a point-to-point address it lists the
// address of the host, not the one of the peer.
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
