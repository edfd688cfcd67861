package port

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Address is an address of the host, with the length of its network.
type Address struct {
	Link   int // index
	Prefix netip.Prefix
}

// RouteEntry is a route of the host's main table.
type RouteEntry struct {
	Dst    netip.Prefix
	Metric int   // of routes to the same destination the least counts
	Hops   []Hop // the host takes any of them; none: it refuses to send there
}

// Hop is how a route leaves the host.
type Hop struct {
	Link int        // index
	Via  netip.Addr // gateway; not valid: the destination itself is on the link
}

// dumpTries bounds how often a list is asked for that changes while it is read.
const dumpTries = 30

// dump reads a list again if it changed meanwhile: it may lack what was never
// removed (Documentation/userspace-api/netlink/intro.rst, dump consistency).
func dump[T any](list func() ([]T, error)) (found []T, err error) {
	for range dumpTries {
		if found, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return found, err
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

// Routes lists the main table, in the order of the kernel.
func (l *Links) Routes() ([]RouteEntry, error) {
	var list []RouteEntry
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		found, err := dump(func() ([]netlink.Route, error) { return l.h.RouteList(nil, family) })
		if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, r := range found {
			if e, ok := toRouteEntry(r, family); ok {
				list = append(list, e)
			}
		}
	}
	return list, nil
}

func toRouteEntry(r netlink.Route, family int) (RouteEntry, bool) {
	e := RouteEntry{Dst: everything(family), Metric: r.Priority}
	if r.Dst != nil {
		p, ok := toPrefix(r.Dst)
		if !ok {
			return e, false
		}
		e.Dst = p.Masked()
	}
	switch {
	case r.Tos != 0:
		return e, false // says nothing of most packets
	case r.Type != unix.RTN_UNICAST:
	case len(r.MultiPath) > 0:
		for _, hop := range r.MultiPath {
			e.Hops = append(e.Hops, Hop{Link: hop.LinkIndex, Via: gateway(hop.Gw, hop.Via)})
		}
	default:
		e.Hops = []Hop{{Link: r.LinkIndex, Via: gateway(r.Gw, r.Via)}}
	}
	return e, true
}

func everything(family int) netip.Prefix {
	if family == unix.AF_INET {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// gateway is that of the route's own family, or of the other one (RTA_VIA).
func gateway(gw net.IP, via netlink.Destination) netip.Addr {
	if v, ok := via.(*netlink.Via); ok && v != nil {
		gw = v.Addr
	}
	addr, _ := netip.AddrFromSlice(gw)
	return addr.Unmap()
}

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

// IgnoresARP says whether the host keeps from answering, on one link, for the
// addresses of another (Documentation/networking/ip-sysctl.rst, arp_ignore). It
// reads /proc in the namespace of the process.
func IgnoresARP(link string) bool { return ipv4Setting(link, "arp_ignore") > 0 }

// StrictReversePath says whether the host refuses IPv4 packets that come in
// through another link than the one their answer would leave through
// (ip-sysctl.rst, rp_filter: 1 is strict). It reads /proc in the namespace of the
// process.
func StrictReversePath(link string) bool { return ipv4Setting(link, "rp_filter") == 1 }

// ipv4Setting is a setting of which the higher one counts, that of the link or
// that of all links. What cannot be read, since the link is gone or the kernel
// has no IPv4, is 0.
func ipv4Setting(link, key string) int {
	highest := 0
	for _, name := range []string{"all", link} {
		text, err := os.ReadFile(filepath.Join("/proc/sys/net/ipv4/conf", name, key))
		if err != nil {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			highest = max(highest, n)
		}
	}
	return highest
}
