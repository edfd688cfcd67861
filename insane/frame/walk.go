package frame

import "encoding/binary"

// Extension headers that the kernel repeats in every segment
// (ipv6_gso_pull_exthdrs of net/ipv6/ip6_offload.c). It does not segment packets with
// any other extension header.
const (
	nextHopByHop     = 0
	nextRouting      = 43
	nextFragment     = 44
	nextDestinations = 60
)

// jumboLen is the length of the option of RFC 2675 and its hop-by-hop header (struct
// hop_jumbo_hdr of net/ipv6.h). Linux before 7.0 puts it into IPv6 super-frames of more
// than 64 KiB, and takes it out again when it cuts them.
const jumboLen = 8

// Values of the parameter l4 of walkHeaders, if the offset of the transport header is not
// known: it is the first header of its protocol, or the second one, in a tunnel.
const (
	firstTransport  = -1
	secondTransport = -2
)

// walkHeaders walks from the end of the link header, behind which a header of this
// Ethernet type follows, to the transport header. l4 is the offset of the transport
// header, firstTransport or secondTransport.
func (l *Layout) walkHeaders(e []byte, etherType uint16, l4 int) (err error) {
	at, next := l.link, etherKind(etherType)
	for l.nwraps <= maxWraps && at < maxHeaders {
		switch ours := next == uint16(l.protocol); {
		case ours && (at == l4 || l4 == firstTransport):
			l.l4 = at
			return nil
		case ours && l4 == secondTransport:
			l4 = firstTransport
		case at == l4, next == protocolTCP && !ours:
			return ErrGSOType
		case l4 >= 0 && at > l4, next == protocolTCP:
			return ErrChecksum
		}
		if at, next, err = l.step(e, at, next); err != nil {
			return err
		}
	}
	return ErrHeaders
}

// step checks the header at an offset, and returns the offset and the type of the next
// header. Types are Ethernet types and IP protocols.
func (l *Layout) step(e []byte, at int, kind uint16) (int, uint16, error) {
	switch kind {
	case etherIPv4, protocolIPv4:
		return l.walkIPv4(e, at)
	case etherIPv6, protocolIPv6:
		return l.walkIPv6(e, at)
	case protocolUDP:
		return l.walkUDP(e, at)
	case protocolGRE:
		return l.walkGRE(e, at)
	case etherTag, etherSTag:
		return walkTyped(e, at, TagLen)
	case etherBridged:
		return walkTyped(e, at, etherLen)
	case etherPPPoE:
		return l.walkPPPoE(e, at)
	case etherMPLS, etherMPLSMC:
		return walkMPLS(e, at)
	}
	return 0, 0, ErrUnsupported
}

// walkIPv4 checks the IPv4 header at an offset.
func (l *Layout) walkIPv4(e []byte, at int) (int, uint16, error) {
	p := e[min(at, len(e)):]
	if len(p) < ipv4Len {
		return 0, 0, ErrNetwork
	}
	length := int(p[0]&0xf) * 4
	switch {
	case p[0]>>4 != 4 || length < ipv4Len || length > len(p):
		return 0, 0, ErrNetwork
	case !l.lengthIs(binary.BigEndian.Uint16(p[2:]), len(p)):
		return 0, 0, ErrLength
	case binary.BigEndian.Uint16(p[6:])&0x3fff != 0: // more fragments, or an offset
		return 0, 0, ErrFragment
	}
	l.add(wrapIPv4, at)
	l.family, l.l3 = 4, at
	return at + length, uint16(p[9]), nil
}

// lengthIs reports whether a length field fits a length in bytes. A field of 0 stands for
// more than the field can hold (iph_set_totlen of linux/ip.h).
func (l *Layout) lengthIs(field uint16, length int) bool {
	if field == 0 && length > maxPacket {
		l.big = true
		return true
	}
	return int(field) == length
}

// walkIPv6 checks the IPv6 header at an offset and its extension headers.
func (l *Layout) walkIPv6(e []byte, at int) (int, uint16, error) {
	p := e[min(at, len(e)):]
	if len(p) < ipv6Len || p[0]>>4 != 6 {
		return 0, 0, ErrNetwork
	}
	next, length := p[6], ipv6Len
	if l.jumbo == 0 && hasJumbo(p) {
		l.jumbo, l.big = at+ipv6Len, true
		next, length = p[ipv6Len], ipv6Len+jumboLen
	} else if !l.lengthIs(binary.BigEndian.Uint16(p[4:]), len(p)-ipv6Len) {
		return 0, 0, ErrLength
	}
	for next == nextHopByHop || next == nextRouting || next == nextDestinations {
		if len(p) < length+2 {
			return 0, 0, ErrNetwork
		}
		next, length = p[length], length+(int(p[length+1])+1)*8
		if length > len(p) {
			return 0, 0, ErrNetwork
		}
	}
	if next == nextFragment {
		return 0, 0, ErrFragment
	}
	l.add(wrapIPv6, at)
	l.family, l.l3 = 6, at
	return at + length, uint16(next), nil
}

// hasJumbo reports whether the IPv6 packet p has the jumbo option and its length, which is
// more than the length field can hold.
func hasJumbo(p []byte) bool {
	const kind, length = 0xc2, 4
	if len(p) <= ipv6Len+maxPacket || p[4] != 0 || p[5] != 0 || p[6] != nextHopByHop {
		return false
	}
	o := p[ipv6Len:]
	return o[1] == 0 && o[2] == kind && o[3] == length && int(binary.BigEndian.Uint32(o[4:])) == len(p)-ipv6Len
}

// walkTransport checks the transport header of a super-frame and sets start and headers.
func (l *Layout) walkTransport(e []byte) error {
	t := e[l.l4:]
	length := udpLen
	if l.protocol == protocolUDP {
		switch {
		case len(t) < udpLen:
			return ErrTransport
		case !l.lengthIs(binary.BigEndian.Uint16(t[4:]), len(t)):
			return ErrLength
		}
	} else {
		if len(t) < tcpLen {
			return ErrTransport
		}
		length = int(t[12]>>4) * 4
		if length < tcpLen || length > len(t) {
			return ErrTransport
		}
	}
	l.start = l.l4 + length
	l.headers = l.start
	if l.jumbo != 0 {
		l.headers -= jumboLen
	}
	return nil
}

// checksumOffset returns the offset of the checksum in the transport header.
func (l *Layout) checksumOffset() int {
	if l.protocol == protocolUDP {
		return 6
	}
	return 16
}
