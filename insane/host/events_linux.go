package host

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Events says what has changed since the previous Events.
type Events struct {
	Links     []LinkEvent // the last event of each link
	Addresses []AddressEvent
	Routes    bool           // the main routing table
	Foreign   bool           // a change of Routes that the device has not made itself
	NoIPv6    bool           // the kernel has taken IPv6 off the interface of the device, even if only for a moment
	Deleted   []netip.Prefix // destinations of the device's routes that somebody has deleted
	Rules     bool           // the rules of policy routing
	Control   []int          // indexes of links whose queueing disciplines or filters of tc changed, or AnyLink
	Settings  []int          // indexes of links whose settings of IPv4 or IPv6 changed, or AnyLink
	NFTables  bool           // the tables of nftables
	Lost      bool           // events were lost: everything may have changed
}

// LinkEvent is a change of one link.
type LinkEvent struct {
	Link Link // as of the event; if the link is gone, only Index and Name count
	Gone bool // the link is not in the namespace any more
	Down bool // the link was down at some time since the previous Events, even if only for a moment
	Left bool // the link was not in the namespace at some time since the previous Events
}

// AddressEvent is a change of one address of a link.
type AddressEvent struct {
	Address
	Gone bool // the link does not have the address any more
}

// AnyLink stands for the links that share a block of filters of tc, which the kernel does
// not name (uapi/linux/rtnetlink.h, TCM_IFINDEX_MAGIC_BLOCK), and for the settings of all
// links (uapi/linux/netconf.h, NETCONFA_IFINDEX_ALL).
const AnyLink = -1

// maxEvents bounds the links, and the addresses, that are told one by one.
const maxEvents = 1024

// merge adds later events. It keeps only the last event of each link.
func (e *Events) merge(later *Events) {
	for _, l := range later.Links {
		e.addLink(l)
	}
	for _, index := range later.Control {
		addIndex(&e.Control, index)
	}
	for _, index := range later.Settings {
		addIndex(&e.Settings, index)
	}
	for _, a := range later.Addresses {
		e.addAddress(a)
	}
	e.Routes = e.Routes || later.Routes
	e.Foreign = e.Foreign || later.Foreign
	e.NoIPv6 = e.NoIPv6 || later.NoIPv6
	for _, dst := range later.Deleted {
		e.addDeleted(dst)
	}
	e.Rules = e.Rules || later.Rules
	e.NFTables = e.NFTables || later.NFTables
	e.Lost = e.Lost || later.Lost
}

func (e *Events) addLink(l LinkEvent) {
	for i := range e.Links {
		if e.Links[i].Link.Index == l.Link.Index {
			l.Down, l.Left = l.Down || e.Links[i].Down, l.Left || e.Links[i].Left
			e.Links[i] = l
			return
		}
	}
	if len(e.Links) == maxEvents {
		// A list of all links now costs less. That a device was down is not in that list.
		e.Lost, e.Links = true, slices.DeleteFunc(e.Links, func(l LinkEvent) bool { return !l.Link.IsDevice() })
	}
	e.Links = append(e.Links, l)
}

func (e *Events) addAddress(a AddressEvent) {
	if len(e.Addresses) == maxEvents {
		e.Lost, e.Addresses = true, e.Addresses[:0]
	}
	e.Addresses = append(e.Addresses, a)
}

// addIndex adds the index of a link to a list, once.
func addIndex(list *[]int, index int) {
	if !slices.Contains(*list, index) {
		*list = append(*list, index)
	}
}

// any reports whether anything has changed.
func (e *Events) any() bool {
	return e.BesideRoutes() || e.Routes || e.NoIPv6 || len(e.Deleted)+len(e.Settings) > 0
}

// BesideRoutes reports whether anything but routes and settings has changed. An attempt to
// make a route that fails can be an event of routes itself, and is no reason to try again.
func (e *Events) BesideRoutes() bool {
	return len(e.Links)+len(e.Addresses)+len(e.Control) > 0 || e.Rules || e.NFTables || e.Lost
}

// add records a message of the kernel. A message that it cannot parse counts as lost.
func (e *Events) add(m *syscall.NetlinkMessage, device origin) {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		e.addLinkMessage(m)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		e.addAddressMessage(m)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		e.addRouteMessage(m, device)
	case unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
		e.Routes, e.Foreign = true, true // those that use it change without an event of their own
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		e.Rules = true
	case unix.RTM_NEWNETCONF:
		e.addSettingsMessage(m)
	case unix.RTM_DELNETCONF: // the link goes, or its IPv6 does; other events say so
	case nftNewGeneration:
		e.NFTables = true
	default: // traffic control: struct tcmsg
		if len(m.Data) < 8 {
			e.Lost = true
			return
		}
		addIndex(&e.Control, int(int32(binary.NativeEndian.Uint32(m.Data[4:]))))
	}
}

// addLinkMessage records a change of a link. It ignores messages of the bridge family about
// ports, because the kernel sends a separate message about the link itself.
func (e *Events) addLinkMessage(m *syscall.NetlinkMessage) {
	if len(m.Data) < unix.SizeofIfInfomsg {
		e.Lost = true
		return
	}
	if m.Data[0] != unix.AF_UNSPEC {
		return
	}
	found, err := netlink.LinkDeserialize((*unix.NlMsghdr)(&m.Header), m.Data)
	if err != nil {
		e.Lost = true
		return
	}
	link := toLink(found)
	gone := m.Header.Type == unix.RTM_DELLINK
	e.addLink(LinkEvent{Link: link, Gone: gone, Down: gone || !link.Up, Left: gone})
}

// addAddressMessage records a change of an address (struct ifaddrmsg). For a point-to-point
// link it is the link's own address, not the peer's.
func (e *Events) addAddressMessage(m *syscall.NetlinkMessage) {
	a := AddressEvent{Gone: m.Header.Type == unix.RTM_DELADDR}
	if len(m.Data) < unix.SizeofIfAddrmsg {
		e.Lost = true
		return
	}
	a.Link = int(binary.NativeEndian.Uint32(m.Data[4:]))
	var local, peer netip.Addr
	for kind, value := range attributes(m.Data[unix.SizeofIfAddrmsg:]) {
		switch kind {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(value)
		case unix.IFA_ADDRESS:
			peer, _ = netip.AddrFromSlice(value)
		}
	}
	if a.Prefix = netip.PrefixFrom(peer, int(m.Data[1])); local.IsValid() && local != peer {
		a.Prefix, a.Peer = netip.PrefixFrom(local, local.BitLen()), a.Prefix
	}
	if !a.Prefix.IsValid() {
		e.Lost = true
		return
	}
	e.addAddress(a)
}

// addSettingsMessage records a change of settings (struct netconfmsg, which is padded to
// four bytes). It ignores the settings that new links will have.
func (e *Events) addSettingsMessage(m *syscall.NetlinkMessage) {
	const header, netconfaIfindex, indexOfDefault = 4, 1, -2
	if len(m.Data) < header {
		e.Lost = true
		return
	}
	for kind, value := range attributes(m.Data[header:]) {
		if kind != netconfaIfindex || len(value) < 4 {
			continue
		}
		if index := int(int32(binary.NativeEndian.Uint32(value))); index != indexOfDefault {
			addIndex(&e.Settings, index)
		}
	}
}

// attributes returns the types and values of a list of struct rtattr, up to the first
// invalid one.
func attributes(list []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(list) >= unix.SizeofRtAttr {
			n := int(binary.NativeEndian.Uint16(list))
			if n < unix.SizeofRtAttr || n > len(list) || !yield(binary.NativeEndian.Uint16(list[2:]), list[unix.SizeofRtAttr:n]) {
				return
			}
			list = list[min(len(list), (n+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
		}
	}
}
