package frame

import (
	"encoding/binary"

	"github.com/seed-39a139a1/insane/policy/match"
)

// maxExtensions is the most extension headers of IPv6 in front of the protocol that Key finds.
// A sender that keeps to RFC 8200 §4.1 needs at most six.
const maxExtensions = 8

// Key returns what rules look at in a frame: in its only packet, or in the last one of a
// super-frame. [EarlierKey] makes of it the key of the other packets. Package match says which
// headers these are. The frame may have any bytes and any virtio header, which Key does not
// read; a frame that is shorter than an Ethernet header has the zero Key.
func Key(f Frame) (k match.Key) {
	if len(f) < HeaderLen+etherLen {
		return k
	}
	e := f[HeaderLen:]
	k.DestinationMAC = [addressLen]byte(e)
	k.SourceMAC = [addressLen]byte(e[addressLen:])
	link, etherType := linkHeader(e)
	if link > etherLen {
		k.VLAN = match.Tagged | binary.BigEndian.Uint16(e[etherLen:])&0xfff
	}
	k.EtherType = etherKind(etherType)
	switch p := e[link:]; etherType {
	case etherIPv4:
		keyIPv4(&k, p)
	case etherIPv6:
		keyIPv6(&k, p)
	case etherARP:
		keyARP(&k, p)
	}
	return k
}

// EarlierKey returns the key of the packets of a super-frame in front of the last one, whose
// key is last: they all have the same. FIN is a flag of the last packet only; see rewriteTCP.
func EarlierKey(last match.Key) match.Key {
	last.Flags &^= match.FIN
	return last
}

// keyIPv4 sets the fields of an IPv4 packet.
func keyIPv4(k *match.Key, p []byte) {
	if len(p) < ipv4Len || p[0]>>4 != 4 {
		return
	}
	length := int(p[0]&0xf) * 4
	if length < ipv4Len || length > len(p) {
		return
	}
	k.Has = match.HasIPv4 | match.HasDSCP | match.HasProtocol
	*(*[4]byte)(k.Source[:]) = [4]byte(p[12:])
	*(*[4]byte)(k.Destination[:]) = [4]byte(p[16:])
	k.DSCP, k.Protocol = p[1]>>2, p[9]
	if binary.BigEndian.Uint16(p[6:])&0x1fff == 0 { // the first fragment, or the whole
		keyTransport(k, p[length:])
	}
}

// keyIPv6 sets the fields of an IPv6 packet.
func keyIPv6(k *match.Key, p []byte) {
	if len(p) < ipv6Len || p[0]>>4 != 6 {
		return
	}
	k.Has = match.HasIPv6 | match.HasDSCP
	k.Source, k.Destination = [16]byte(p[8:]), [16]byte(p[24:])
	k.DSCP = uint8(binary.BigEndian.Uint16(p) >> 6 & 0x3f)
	next, rest := p[6], p[ipv6Len:]
	for range maxExtensions + 1 {
		length := fragmentLen
		switch next {
		case nextHopByHop, nextRouting, nextDestinations:
			if len(rest) < 2 {
				return
			}
			length = (int(rest[1]) + 1) * 8
		case nextFragment:
		default:
			k.Has, k.Protocol = k.Has|match.HasProtocol, next
			keyTransport(k, rest)
			return
		}
		if len(rest) < length {
			return
		}
		if next == nextFragment && binary.BigEndian.Uint16(rest[2:])>>3 != 0 {
			// A later fragment: only the header tells what the packet is.
			k.Has, k.Protocol = k.Has|match.HasProtocol, rest[0]
			return
		}
		next, rest = rest[0], rest[length:]
	}
}

// fragmentLen is the length of a fragment header (RFC 8200 §4.5).
const fragmentLen = 8

// keyTransport sets the fields of what an IP packet has inside.
func keyTransport(k *match.Key, t []byte) {
	switch k.Protocol {
	case protocolTCP, protocolUDP, protocolSCTP:
		if len(t) < 4 {
			return
		}
		k.Has |= match.HasPorts
		k.SourcePort, k.DestinationPort = binary.BigEndian.Uint16(t), binary.BigEndian.Uint16(t[2:])
		if k.Protocol == protocolTCP && len(t) > flagsOffset {
			k.Flags = match.Flags(t[flagsOffset]) & match.KnownFlags
		}
	case protocolICMPv6:
		if len(t) > 0 && t[0] >= routerAsks && t[0] <= redirect && k.Has&match.HasIPv6 != 0 {
			k.Has |= match.IsND
		}
	}
}

// Numbers of ARP for IPv4 addresses on Ethernet (RFC 826).
const (
	arpLen      = 28
	arpEthernet = 1
)

// keyARP sets the addresses of an ARP packet for IPv4.
func keyARP(k *match.Key, p []byte) {
	if len(p) < arpLen || binary.BigEndian.Uint16(p) != arpEthernet || binary.BigEndian.Uint16(p[2:]) != etherIPv4 ||
		p[4] != addressLen || p[5] != 4 {
		return
	}
	k.Has = match.HasIPv4
	*(*[4]byte)(k.Source[:]) = [4]byte(p[14:])
	*(*[4]byte)(k.Destination[:]) = [4]byte(p[24:])
}
