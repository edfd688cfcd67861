package match

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"net/netip"
	"strconv"
)

// term is one part of a match: a word with its arguments. Which fields it has depends on its
// kind; the others are zero.
type term struct {
	kind      kind
	side      side
	low, high uint32 // a number or a range; a single number is both
	prefix    netip.Prefix
	mac       [6]byte
}

// kind is what a term is about. Terms are printed in the order of their kinds.
type kind uint8

const (
	kindMAC       kind = iota // mac, of a side
	kindEtherType             // low
	kindVLAN                  // low to high; all identifiers if any tag will do
	kindICMP
	kindICMP6
	kindProtocol // low
	kindND
	kindFlag    // low, a bit of Flags
	kindDSCP    // low
	kindNet     // prefix, of a side
	kindPort    // low to high, of a side
	kindGreater // low
	kindLess    // high
)

// sided reports whether a term of this kind looks at one side of a packet or at both.
func (k kind) sided() bool { return k == kindMAC || k == kindNet || k == kindPort }

// side is the side of a packet that a term looks at.
type side uint8

const (
	eitherSide side = iota // one of the two has to fit
	sourceSide
	destinationSide
)

// String returns the word in front of the term, with a space behind it.
func (s side) String() string { return [...]string{"", "src ", "dst "}[s] }

// maxVLAN is the largest identifier that 12 bits can say.
const maxVLAN = 0xfff

// Numbers of linux/if_ether.h and linux/in.h.
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd

	protocolICMP  = 1
	protocolTCP   = 6
	protocolUDP   = 17
	protocolICMP6 = 58
	protocolSCTP  = 132
)

// compare orders terms as they are printed.
func (t term) compare(u term) int {
	return cmp.Or(
		cmp.Compare(t.kind, u.kind), cmp.Compare(t.side, u.side),
		cmp.Compare(t.low, u.low), cmp.Compare(t.high, u.high),
		t.prefix.Addr().Compare(u.prefix.Addr()), cmp.Compare(t.prefix.Bits(), u.prefix.Bits()),
		bytes.Compare(t.mac[:], u.mac[:]),
	)
}

// sides returns the sides one of which has to fit. For a term that knows no sides, the one
// element means nothing.
func (t term) sides() []side {
	if t.kind.sided() && t.side == eitherSide {
		return []side{sourceSide, destinationSide}
	}
	return []side{t.side}
}

// pattern returns the pattern of the packets that fit on this side.
func (t term) pattern(s side) pattern {
	p := pattern{ranges: allRanges}
	var mask, value Key
	switch t.kind {
	case kindMAC:
		m, v := &mask.SourceMAC, &value.SourceMAC
		if s == destinationSide {
			m, v = &mask.DestinationMAC, &value.DestinationMAC
		}
		*m, *v = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, t.mac
	case kindEtherType:
		mask.EtherType, value.EtherType = 0xffff, uint16(t.low)
	case kindVLAN:
		mask.VLAN, value.VLAN = Tagged, Tagged
		if t.low == t.high {
			mask.VLAN, value.VLAN = Tagged|maxVLAN, Tagged|uint16(t.low)
		}
	case kindNet:
		t.network(s, &mask, &value)
	case kindPort:
		t.ports(s, &mask, &value, &p.ranges)
	case kindGreater:
		p.length.low = t.low
	case kindLess:
		p.length.high = t.high
	default:
		t.inside(&mask, &value)
	}
	p.mask, p.value = mask.words(), value.words()
	return p
}

// inside is pattern for what an IP packet has inside, and looks at no side.
func (t term) inside(mask, value *Key) {
	protocol := t.low
	switch t.kind {
	case kindDSCP:
		mask.Has, value.Has = HasDSCP, HasDSCP
		mask.DSCP, value.DSCP = 0xff, uint8(t.low)
		return
	case kindICMP:
		mask.EtherType, value.EtherType = 0xffff, etherIPv4
		protocol = protocolICMP
	case kindICMP6, kindND:
		mask.EtherType, value.EtherType = 0xffff, etherIPv6
		protocol = protocolICMP6
		if t.kind == kindND {
			mask.Has, value.Has = IsND, IsND
		}
	case kindFlag:
		mask.Flags, value.Flags = Flags(t.low), Flags(t.low)
		protocol = protocolTCP
	}
	mask.Has, value.Has = mask.Has|HasProtocol, value.Has|HasProtocol
	mask.Protocol, value.Protocol = 0xff, uint8(protocol)
}

// network is pattern for an address.
func (t term) network(s side, mask, value *Key) {
	m, v := &mask.Source, &value.Source
	if s == destinationSide {
		m, v = &mask.Destination, &value.Destination
	}
	const families = HasIPv4 | HasIPv6
	mask.Has, value.Has = families, HasIPv4
	if t.prefix.Addr().Is6() {
		value.Has = HasIPv6
	}
	copy(v[:], t.prefix.Addr().AsSlice())
	for i := range t.prefix.Bits() {
		m[i/8] |= 0x80 >> (i % 8)
	}
}

// ports is pattern for a port or a range of ports.
func (t term) ports(s side, mask, value *Key, r *ranges) {
	m, v, p := &mask.SourcePort, &value.SourcePort, &r.source
	if s == destinationSide {
		m, v, p = &mask.DestinationPort, &value.DestinationPort, &r.destination
	}
	mask.Has, value.Has = HasPorts, HasPorts
	if t.low == t.high {
		*m, *v = 0xffff, uint16(t.low)
		return
	}
	*p = ports{uint16(t.low), uint16(t.high)}
}

// String returns the words of the term.
func (t term) String() string {
	number := strconv.FormatUint(uint64(t.low), 10)
	switch t.kind {
	case kindMAC:
		return "ether " + t.side.String() + "host " + formatMAC(t.mac)
	case kindVLAN:
		if t.low != t.high {
			return "vlan"
		}
		return "vlan " + number
	case kindDSCP:
		return "dscp " + number
	case kindNet:
		if t.prefix.IsSingleIP() {
			return t.side.String() + "host " + t.prefix.Addr().String()
		}
		return t.side.String() + "net " + t.prefix.String()
	case kindPort:
		if t.low == t.high {
			return t.side.String() + "port " + number
		}
		return t.side.String() + "portrange " + number + "-" + strconv.FormatUint(uint64(t.high), 10)
	case kindGreater:
		return "greater " + number
	case kindLess:
		return "less " + strconv.FormatUint(uint64(t.high), 10)
	}
	for _, f := range forms {
		if f.fixed && f.term == t {
			return f.Name
		}
	}
	if t.kind == kindEtherType {
		return "ether proto 0x" + formatHex(binary.BigEndian.AppendUint16(nil, uint16(t.low)))
	}
	return "proto " + number
}
