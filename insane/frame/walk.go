package frame

import "encoding/binary"

// Extension headers that the kernel repeats in every segment
// (ipv6_gso_pull_exthdrs of net/ipv6/ip6_offload.c). It does not segment packets with
// any other extension header.
const (
	nextHopByHop     = 0
	nextRouting      = 43
	nextDestinations = 60
)

// walkNetwork checks the IP header of a super-frame and finds the transport header.
func (l *Layout) walkNetwork(e []byte) error {
	var protocol uint8
	var err error
	if l.family == 4 {
		protocol, err = l.walkIPv4(e[l.link:])
	} else {
		protocol, err = l.walkIPv6(e[l.link:])
	}
	if err == nil && protocol != l.protocol {
		return ErrGSOType
	}
	return err
}

// walkIPv4 checks an IPv4 packet and sets l4.
func (l *Layout) walkIPv4(p []byte) (protocol uint8, err error) {
	if len(p) < ipv4Len {
		return 0, ErrNetwork
	}
	length := int(p[0]&0xf) * 4
	switch {
	case p[0]>>4 != 4 || length < ipv4Len || length > len(p):
		return 0, ErrNetwork
	case int(binary.BigEndian.Uint16(p[2:])) != len(p):
		return 0, ErrLength
	case binary.BigEndian.Uint16(p[6:])&0x3fff != 0: // more fragments, or an offset
		return 0, ErrFragment
	}
	l.l4 = l.link + length
	return p[9], nil
}

// walkIPv6 checks an IPv6 packet and its extension headers and sets l4.
func (l *Layout) walkIPv6(p []byte) (protocol uint8, err error) {
	switch {
	case len(p) < ipv6Len || p[0]>>4 != 6:
		return 0, ErrNetwork
	case int(binary.BigEndian.Uint16(p[4:])) != len(p)-ipv6Len:
		return 0, ErrLength
	}
	next, length := p[6], ipv6Len
	for next == nextHopByHop || next == nextRouting || next == nextDestinations {
		if len(p) < length+2 {
			return 0, ErrNetwork
		}
		next, length = p[length], length+(int(p[length+1])+1)*8
		if length > len(p) {
			return 0, ErrNetwork
		}
	}
	l.l4 = l.link + length
	return next, nil
}

// walkTransport checks the transport header of a super-frame and sets headers.
func (l *Layout) walkTransport(e []byte) error {
	t := e[l.l4:]
	if l.protocol == protocolUDP {
		switch {
		case len(t) < udpLen:
			return ErrTransport
		case int(binary.BigEndian.Uint16(t[4:])) != len(t):
			return ErrLength
		}
		l.headers = l.l4 + udpLen
		return nil
	}
	if len(t) < tcpLen {
		return ErrTransport
	}
	length := int(t[12]>>4) * 4
	if length < tcpLen || length > len(t) {
		return ErrTransport
	}
	l.headers = l.l4 + length
	return nil
}

// checksumOffset returns the offset of the checksum in the transport header.
func (l *Layout) checksumOffset() int {
	if l.protocol == protocolUDP {
		return 6
	}
	return 16
}
