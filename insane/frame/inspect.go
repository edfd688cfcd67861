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
	// virtio header. Without IPv6 extension headers and tunnels they have at most 142
	// bytes; the rest is enough for a segment routing header with twenty hops.
	maxHeaders = 512

	// maxPacket is the most bytes of an IP packet whose length field is not 0, of either
	// family.
	maxPacket = 1<<16 - 1
)

// Numbers of linux/if_ether.h.
const (
	etherIPv4    = 0x0800
	etherARP     = 0x0806
	etherIPv6    = 0x86dd
	etherTag     = 0x8100 // 802.1Q
	etherSTag    = 0x88a8 // 802.1ad
	etherBridged = 0x6558 // an Ethernet frame inside a tunnel
	etherMPLS    = 0x8847
	etherMPLSMC  = 0x8848
	etherPPPoE   = 0x8864 // of a session
)

// Numbers of linux/in.h. All are less than every Ethernet type, so that one variable can
// hold either.
const (
	protocolIGMP   = 2
	protocolIPv4   = 4
	protocolTCP    = 6
	protocolUDP    = 17
	protocolIPv6   = 41
	protocolGRE    = 47
	protocolICMPv6 = 58
	protocolSCTP   = 132
)

// gsoByFrags is a segment size with a special meaning inside the kernel
// (GSO_BY_FRAGS, linux/skbuff.h). The kernel refuses it in a virtio header.
const gsoByFrags = 0xffff

// Inspect finds out the layout of a frame. A frame without GSO type is one packet
// with any contents; Inspect reads nothing behind its link header. A super-frame is
// valid only if its virtio header, the headers of its packets and its length
// agree; Split relies on that.
//
// An empty frame stands for a super-frame that a port could not read: its error is
// ErrUnsupported. Every other error matches ErrMalformed or ErrUnsupported. Inspect keeps
// and changes nothing; it is safe for concurrent use.
func Inspect(f Frame) (l Layout, err error) {
	switch {
	case len(f) == 0:
		return l, ErrUnsupported
	case len(f) < HeaderLen+etherLen:
		return l, ErrRunt
	case len(f) > MaxLen:
		return l, ErrTooLong
	}
	e := f[HeaderLen:]
	link, etherType := linkHeader(e)
	if f[1] == GSONone {
		l.packets, l.most, l.link, l.start, l.headers = 1, 1, link, len(e), len(e)
		return l, nil
	}
	l.link = link
	if err := l.inspectSuper(f.Header(), e, etherType); err != nil {
		return Layout{}, err
	}
	return l, nil
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
// bytes; l has the length of the link header, and nothing else yet. After an error l is not
// valid.
func (l *Layout) inspectSuper(h Header, e []byte, etherType uint16) error {
	if h.Flags&NeedsCsum == 0 {
		return ErrNoChecksum
	}
	err := l.walk(h, e, etherType, int(h.CsumStart))
	if err == nil && int(h.CsumOffset) != l.checksumOffset() {
		return ErrChecksum
	}
	return err
}

// walk checks a super-frame, except for the checksum offset in the virtio header. l4 says
// where the transport header is, as in walkHeaders. The rest is as for inspectSuper.
func (l *Layout) walk(h Header, e []byte, etherType uint16, l4 int) error {
	l.size = int(h.GSOSize)
	family, err := l.setKind(h.GSOType)
	switch {
	case err != nil:
		return err
	case l.size == 0 || l.size == gsoByFrags:
		return ErrGSOSize
	}
	if err := l.walkHeaders(e, etherType, l4); err != nil {
		return err
	}
	if family != 0 && family != l.family {
		return ErrGSOType
	}
	if err := l.walkTransport(e); err != nil {
		return err
	}
	if HeaderLen+l.start > maxHeaders {
		return ErrHeaders
	}
	l.payload = len(e) - l.start
	// A super-frame without payload is one packet.
	l.packets = max(1, (l.payload+l.size-1)/l.size)
	if l.big && l.MTU() > maxPacket {
		return ErrGSOSize
	}
	l.limit()
	return nil
}

// Values of Header.GSOType that exist and are not supported: UDP fragmentation offload, and
// the bits of UDP tunnels over either family, for which the kernel wants a longer header.
const (
	gsoUDP     = 3
	gsoTunnel4 = 0x20
	gsoTunnel6 = 0x40
)

// setKind takes the protocol from the GSO type, and returns the family of the innermost
// packet; 0 if it may be either.
func (l *Layout) setKind(gsoType uint8) (family uint8, err error) {
	switch gsoType {
	case GSOTCPv4, GSOTCPv4 | GSOECN:
		l.protocol = protocolTCP
		return 4, nil
	case GSOTCPv6, GSOTCPv6 | GSOECN:
		l.protocol = protocolTCP
		return 6, nil
	case GSOUDPL4:
		l.protocol = protocolUDP
		return 0, nil
	case gsoUDP:
		return 0, ErrUnsupported
	}
	if tunnel := gsoType & (gsoTunnel4 | gsoTunnel6); tunnel == gsoTunnel4 || tunnel == gsoTunnel6 {
		return 0, ErrUnsupported
	}
	return 0, ErrGSOType
}
