package frame

import "encoding/binary"

// Headers of tunnels. The kernel cuts a super-frame at its innermost transport header and
// repeats all that is in front of it (skb_segment of net/core/skbuff.c). What of these
// headers depends on the length of a packet is a wrap.

// walkTyped is the step over a header of this length that ends with the type of the next
// header: a VLAN tag, or an Ethernet header inside a tunnel.
func walkTyped(e []byte, at, length int) (int, uint16, error) {
	if len(e) < at+length {
		return 0, 0, ErrTunnel
	}
	return at + length, etherKind(binary.BigEndian.Uint16(e[at+length-2:])), nil
}

// etherKind returns an Ethernet type, and 0 for a number that is the length of an IEEE 802.3
// frame, and could be taken for an IP protocol.
func etherKind(number uint16) uint16 {
	if number < 0x600 {
		return 0
	}
	return number
}

// Bits of the first byte of a VXLAN header (RFC 7348 §5, draft-ietf-nvo3-vxlan-gpe).
const (
	vxlanID       = 0x08 // always set
	vxlanProtocol = 0x04 // the fourth byte has the type of what follows
	vxlanReserved = 0x70 // no version of Linux sets these
)

// walkUDP is the step over a UDP header and the header of the tunnel behind it. Which one
// this is has to be told from its bytes, as the ports are those that somebody chose: VXLAN
// (RFC 7348), GENEVE (RFC 8926), an IP header alone (fou, bareudp) or GUE
// (draft-ietf-intarea-gue).
func (l *Layout) walkUDP(e []byte, at int) (int, uint16, error) {
	const least = 8
	body := at + udpLen
	if len(e) < body+least {
		return 0, 0, ErrTunnel
	}
	if !l.lengthIs(binary.BigEndian.Uint16(e[at+4:]), len(e)-at) {
		return 0, 0, ErrLength
	}
	l.add(wrapUDP, at)
	b := e[body:]
	kind := binary.BigEndian.Uint16(b[2:])
	switch first := b[0]; {
	case first>>6 == 0 && (kind == etherBridged || kind == etherIPv4 || kind == etherIPv6):
		return body + least + int(first)*4, kind, nil // GENEVE: version 0, and words of options
	case first&vxlanID != 0 && first&vxlanReserved == 0:
		next, known := uint16(etherBridged), true
		if first&vxlanProtocol != 0 {
			next, known = vxlanNext(b[3])
		}
		if !known {
			return 0, 0, ErrUnsupported
		}
		return body + least, next, nil
	case first>>4 == 4:
		return body, etherIPv4, nil
	case first>>4 == 6:
		return body, etherIPv6, nil
	case first>>5 == 0: // GUE: version 0, no control message, and words of options
		return body + 4 + int(first)*4, uint16(b[1]), nil
	}
	return 0, 0, ErrUnsupported
}

// vxlanNext returns the type of what follows a VXLAN header that has one.
func vxlanNext(protocol byte) (kind uint16, known bool) {
	switch protocol {
	case 1:
		return etherIPv4, true
	case 2:
		return etherIPv6, true
	case 3:
		return etherBridged, true
	}
	return 0, false
}

// Bits of the first word of a GRE header (RFC 2784, RFC 2890).
const (
	greChecksum = 0x8000
	greKey      = 0x2000
	greKnown    = greChecksum | greKey // with a sequence number, the kernel merges no packets
)

// walkGRE is the step over a GRE header.
func (l *Layout) walkGRE(e []byte, at int) (int, uint16, error) {
	if len(e) < at+4 {
		return 0, 0, ErrTunnel
	}
	flags, kind, length := binary.BigEndian.Uint16(e[at:]), binary.BigEndian.Uint16(e[at+2:]), 4
	if flags&^greKnown != 0 {
		return 0, 0, ErrUnsupported
	}
	if flags&greChecksum != 0 {
		length += 4
		l.add(wrapGRE, at)
	}
	if flags&greKey != 0 {
		length += 4
	}
	if len(e) < at+length {
		return 0, 0, ErrTunnel
	}
	return at + length, etherKind(kind), nil
}

// walkPPPoE is the step over the header of a PPPoE session (RFC 2516) and the protocol of
// PPP behind it.
func (l *Layout) walkPPPoE(e []byte, at int) (int, uint16, error) {
	const length, ipv4, ipv6 = 8, 0x0021, 0x0057
	if len(e) < at+length {
		return 0, 0, ErrTunnel
	}
	l.add(wrapPPPoE, at)
	switch binary.BigEndian.Uint16(e[at+6:]) {
	case ipv4:
		return at + length, etherIPv4, nil
	case ipv6:
		return at + length, etherIPv6, nil
	}
	return 0, 0, ErrUnsupported
}

// walkMPLS is the step over labels (RFC 3032). The first byte behind the last label tells
// the family.
func walkMPLS(e []byte, at int) (int, uint16, error) {
	const length, bottom = 4, 0x01
	for last := false; !last; at += length {
		if len(e) <= at+length || at > maxHeaders {
			return 0, 0, ErrTunnel
		}
		last = e[at+2]&bottom != 0
	}
	switch e[at] >> 4 {
	case 4:
		return at, etherIPv4, nil
	case 6:
		return at, etherIPv6, nil
	}
	return 0, 0, ErrUnsupported
}
