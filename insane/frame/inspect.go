package frame

import "encoding/binary"

// Lengths of headers, in bytes.
const (
	addressLen = 6
	etherLen   = 2*addressLen + 2
	maxTags    = 2  // an 802.1ad tag around an 802.1Q tag
	ipv4Len    = 20 // without options
	ipv6Len    = 40 // without extension headers
	tcpLen     = 20 // without options
	udpLen     = 8

	// maxHeaders is the most bytes that the headers of a super-frame may have, with the
	// virtio header. Without IPv6 extension headers they have at most 142 bytes; the rest
	// is enough for a segment routing header with twenty hops.
	maxHeaders = 512
)

// Numbers of linux/if_ether.h and linux/in.h.
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	etherTag  = 0x8100 // 802.1Q
	etherSTag = 0x88a8 // 802.1ad

	protocolIGMP   = 2
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

// gsoByFrags is a segment size with a special meaning inside the kernel
// (GSO_BY_FRAGS, linux/skbuff.h). The kernel refuses it in a virtio header.
const gsoByFrags = 0xffff

// Inspect finds out the layout of a frame. A frame without GSO type is one packet
// with any contents; Inspect reads nothing behind its link header. A super-frame is
// valid only if its virtio header, its IP and transport headers and its length
// agree; Split relies on that.
//
// Every error matches ErrMalformed. Inspect keeps and changes nothing; it is safe
// for concurrent use.
func Inspect(f Frame) (Layout, error) {
	switch {
	case len(f) < HeaderLen+etherLen:
		return Layout{}, ErrRunt
	case len(f) > MaxLen:
		return Layout{}, ErrTooLong
	}
	h, e := f.Header(), f[HeaderLen:]
	link, etherType := linkHeader(e)
	if h.GSOType == GSONone {
		return Layout{packets: 1, link: link, headers: len(e)}, nil
	}
	return inspectSuper(h, e, link, etherType)
}

// linkHeader finds the end of the Ethernet header and its VLAN tags, and the
// type of what follows. A tag cut short by the end of the frame is no tag.
func linkHeader(e []byte) (length int, etherType uint16) {
	length, etherType = etherLen, binary.BigEndian.Uint16(e[etherLen-2:])
	for range maxTags {
		if etherType != etherTag && etherType != etherSTag || len(e) < length+TagLen {
			break
		}
		etherType = binary.BigEndian.Uint16(e[length+2:])
		length += TagLen
	}
	return length, etherType
}

// inspectSuper is Inspect for a super-frame. h is its virtio header and e its Ethernet
// bytes; the link header is the first link bytes of e.
func inspectSuper(h Header, e []byte, link int, etherType uint16) (Layout, error) {
	l, err := walk(h, e, link, etherType)
	switch {
	case err != nil:
		return Layout{}, err
	case h.Flags&NeedsCsum == 0:
		return Layout{}, ErrNoChecksum
	case int(h.CsumStart) != l.l4 || int(h.CsumOffset) != l.checksumOffset():
		return Layout{}, ErrChecksum
	}
	return l, nil
}

// walk checks a super-frame, except for the checksum offsets in the virtio header.
func walk(h Header, e []byte, link int, etherType uint16) (Layout, error) {
	l := Layout{link: link, size: int(h.GSOSize)}
	switch {
	case !l.setKind(h.GSOType, etherType):
		return Layout{}, ErrGSOType
	case l.size == 0 || l.size == gsoByFrags:
		return Layout{}, ErrGSOSize
	}
	if err := l.walkNetwork(e); err != nil {
		return Layout{}, err
	}
	if err := l.walkTransport(e); err != nil {
		return Layout{}, err
	}
	if HeaderLen+l.headers > maxHeaders {
		return Layout{}, ErrHeaders
	}
	l.payload = len(e) - l.headers
	// A super-frame without payload is one packet.
	l.packets = max(1, (l.payload+l.size-1)/l.size)
	return l, nil
}

// setKind takes family and protocol from the GSO type, and the family of a
// UDP super-frame from the Ethernet type. It reports whether they agree.
func (l *Layout) setKind(gsoType uint8, etherType uint16) bool {
	switch etherType {
	case etherIPv4:
		l.family = 4
	case etherIPv6:
		l.family = 6
	default:
		return false
	}
	switch gsoType {
	case GSOTCPv4, GSOTCPv4 | GSOECN:
		l.protocol = protocolTCP
		return l.family == 4
	case GSOTCPv6, GSOTCPv6 | GSOECN:
		l.protocol = protocolTCP
		return l.family == 6
	case GSOUDPL4:
		l.protocol = protocolUDP
		return true
	default:
		return false
	}
}
