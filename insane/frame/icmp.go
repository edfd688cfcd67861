package frame

import "encoding/binary"

// The questions and answers of ICMP and ICMPv6 that have an identifier.
const (
	EchoReply     = 0 // RFC 792
	EchoRequest   = 8
	EchoRequestV6 = 128 // RFC 4443
	EchoReplyV6   = 129
)

// protocolICMP is the number of ICMP for IPv4.
const protocolICMP = 1

// ICMP returns the type of the ICMP or ICMPv6 message in a frame, and the identifier, which is
// one only in an echo request or reply. It returns false if there is none: in a later fragment,
// behind extension headers of IPv6, and in a frame that is too short. Any bytes are allowed.
func ICMP(f Frame) (kind uint8, id uint16, ok bool) {
	if len(f) < HeaderLen+etherLen {
		return 0, 0, false
	}
	e := f[HeaderLen:]
	link, etherType := linkHeader(e)
	p := e[min(link, len(e)):]
	switch {
	case etherType == etherIPv4 && len(p) >= ipv4Len && p[9] == protocolICMP && binary.BigEndian.Uint16(p[6:])&0x1fff == 0:
		p = p[min(max(int(p[0]&0xf)*4, ipv4Len), len(p)):]
	case etherType == etherIPv6 && len(p) >= ipv6Len && p[6] == protocolICMPv6:
		p = p[ipv6Len:]
	default:
		return 0, 0, false
	}
	if len(p) < 8 {
		return 0, 0, false
	}
	return p[0], binary.BigEndian.Uint16(p[4:]), true
}
