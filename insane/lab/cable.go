package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkIndex is the index of Link in borea. The peer gets the first free index of its own
// namespace, so any large number differs from it. If both indexes were equal, the kernel
// would treat the veth as an ordinary NIC and report its carrier up to a second late
// (net/core/link_watch.c, linkwatch_urgent_event).
const linkIndex = 9

// connect joins the two hosts by a cable and gives addresses to its ends.
func (l *Lab) connect() error {
	plug := l.makePair
	if l.options.Cards[0] != "" {
		plug = l.lend
	}
	if err := plug(); err != nil {
		return fmt.Errorf("join %s and %s: %w", l.Borea.Name, l.Morgana.Name, err)
	}
	for _, h := range []*Host{l.Borea, l.Morgana} {
		if err := h.linksUp(); err != nil {
			return err
		}
	}
	if err := l.Borea.address(l.Borea.IPv4, l.Borea.IPv6); err != nil {
		return err
	}
	m := l.Morgana
	if err := m.address(m.IPv4, m.IPv6, m.SpareIPv4, m.SpareIPv6); err != nil {
		return err
	}
	for _, h := range []*Host{l.Borea, l.Morgana} {
		if err := h.awaitCarrier(); err != nil {
			return err
		}
	}
	return nil
}

// makePair makes the cable from borea, and puts its other end into morgana at once. The MAC
// addresses are fixed and locally administered, so that every run has the same ones.
func (l *Lab) makePair() error {
	return onFile(l.Morgana.ns, func(fd int) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = Link
		attrs.Index = linkIndex
		attrs.MTU = l.options.MTU
		attrs.NumTxQueues = l.options.Queues
		attrs.NumRxQueues = l.options.Queues
		attrs.HardwareAddr = net.HardwareAddr{0x02, 0x09, 0, 0, 0, 0x01}
		veth := netlink.NewVeth(attrs)
		veth.PeerName = Link
		veth.PeerNamespace = netlink.NsFd(fd)
		veth.PeerHardwareAddr = net.HardwareAddr{0x02, 0x09, 0, 0, 0, 0x02}
		return l.Borea.handle.LinkAdd(veth)
	})
}

// disconnect deletes the pair, and so both ends at once, or gives the cards back.
func (l *Lab) disconnect() error {
	if l.options.Cards[0] != "" {
		return l.cards.giveBack()
	}
	if l.Borea.handle == nil {
		return nil
	}
	link, err := l.Borea.handle.LinkByName(Link)
	if err != nil {
		return nil // it was never made, or a test has deleted it
	}
	if err := l.Borea.handle.LinkDel(link); err != nil {
		return fmt.Errorf("delete %s of %s: %w", Link, l.Borea.Name, err)
	}
	return nil
}

func (h *Host) linksUp() error {
	for _, name := range []string{"lo", Link} {
		link, err := h.handle.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find %s of %s: %w", name, h.Name, err)
		}
		if err := h.handle.LinkSetUp(link); err != nil {
			return fmt.Errorf("set %s of %s up: %w", name, h.Name, err)
		}
	}
	return nil
}

// address adds the addresses to Link, each with its subnet.
func (h *Host) address(addrs ...netip.Addr) error {
	link, err := h.handle.LinkByName(Link)
	if err != nil {
		return fmt.Errorf("find %s of %s: %w", Link, h.Name, err)
	}
	for _, addr := range addrs {
		bits := 24
		if addr.Is6() {
			bits = 64
		}
		prefix := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, addr.BitLen())}
		if err := h.handle.AddrAdd(link, &netlink.Addr{IPNet: prefix}); err != nil {
			return fmt.Errorf("add address %s to %s of %s: %w", addr, Link, h.Name, err)
		}
	}
	return nil
}

// awaitCarrier waits until Link is operationally up and its IPv6 addresses may be used as
// source. The kernel keeps them tentative until there is a carrier, and for a moment longer
// even if it looks for no duplicates (net/ipv6/addrconf.c, addrconf_dad_work).
func (h *Host) awaitCarrier() error {
	const patience = 5 * time.Second
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		ready, err := h.ready()
		if ready || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("wait for %s of %s to be usable: %w", Link, h.Name, os.ErrDeadlineExceeded)
		}
	}
}

// ready reports whether Link and all its addresses can be used.
func (h *Host) ready() (bool, error) {
	link, err := h.handle.LinkByName(Link)
	if err != nil {
		return false, fmt.Errorf("find %s of %s: %w", Link, h.Name, err)
	}
	if link.Attrs().OperState != netlink.OperUp {
		return false, nil
	}
	addrs, err := h.handle.AddrList(link, netlink.FAMILY_V6)
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("list addresses of %s of %s: %w", Link, h.Name, err)
	}
	tentative := func(a netlink.Addr) bool { return a.Flags&unix.IFA_F_TENTATIVE != 0 }
	return !slices.ContainsFunc(addrs, tentative), nil
}
