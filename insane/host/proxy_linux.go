package host

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addressList is a sorted list of IPv4 addresses, four bytes each. Unlike a slice it can be
// compared.
type addressList string

func toAddressList(list []netip.Addr) (l addressList) {
	slices.SortFunc(list, netip.Addr.Compare)
	for _, addr := range slices.Compact(list) {
		l += addressList(addr.AsSlice())
	}
	return l
}

func (l addressList) addrs() (list []netip.Addr) {
	for ; len(l) >= 4; l = l[4:] {
		list = append(list, netip.AddrFrom4([4]byte([]byte(l[:4]))))
	}
	return list
}

// Proxied lists the single IPv4 addresses for which the host answers ARP requests on a link in
// place of their owners (`ip neigh add proxy`). The kernel tells no changes of them, and forgets
// those of a link that goes down.
func (l *Links) Proxied(index int) (list []netip.Addr, err error) {
	found, err := dump(func() ([]netlink.Neigh, error) { return l.h.NeighProxyList(index, unix.AF_INET) })
	if err != nil {
		return nil, fmt.Errorf("list proxies of ARP: %w", err)
	}
	for _, n := range found {
		if addr, ok := netip.AddrFromSlice(n.IP); ok && n.LinkIndex == index && addr.Unmap().Is4() {
			list = append(list, addr.Unmap())
		}
	}
	return list, nil
}

// adoptProxied makes the interface answer for the addresses in want, and no more for those in
// before that are not wanted any more.
func (l *Links) adoptProxied(index int, want, before addressList) error {
	if want == "" && before == "" {
		return nil
	}
	have, err := l.Proxied(index)
	if err != nil {
		return err
	}
	var errs []error
	wanted := want.addrs()
	for _, addr := range wanted {
		if !slices.Contains(have, addr) {
			errs = append(errs, l.h.NeighSet(proxyEntry(index, addr)))
		}
	}
	for _, addr := range before.addrs() {
		if slices.Contains(have, addr) && !slices.Contains(wanted, addr) {
			errs = append(errs, l.h.NeighDel(proxyEntry(index, addr)))
		}
	}
	return errors.Join(errs...)
}

func proxyEntry(index int, addr netip.Addr) *netlink.Neigh {
	return &netlink.Neigh{LinkIndex: index, Family: unix.AF_INET, Flags: netlink.NTF_PROXY, IP: addr.AsSlice()}
}
