package kern

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

// arp is the body of an ARP packet (RFC 826).
func arp(operation uint16, sender, target string) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0, 1, 8, 0, 6, 4}, operation)
	b = append(append(b, 2, 0x69, 0x6e, 0x73, 0, 0), ip(sender).AsSlice()...)
	return append(append(b, 0, 0, 0, 0, 0, 0), ip(target).AsSlice()...)
}

// ipv4 is an IPv4 packet without checksum. Options come in words of four bytes.
func ipv4(from, to string, protocol byte, options, payload []byte) []byte {
	b := make([]byte, 20, 60)
	b[0], b[8], b[9] = 0x45+byte(len(options)/4), 64, protocol
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(options)+len(payload)))
	copy(b[12:], ip(from).AsSlice())
	copy(b[16:], ip(to).AsSlice())
	return append(append(b, options...), payload...)
}

// ipv6 is an IPv6 packet; next is the type of the first header of the payload.
func ipv6(from, to string, next byte, payload []byte) []byte {
	b := make([]byte, 8, 40)
	b[0], b[6], b[7] = 0x60, next, 255
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	b = append(append(b, ip(from).AsSlice()...), ip(to).AsSlice()...)
	return append(b, payload...)
}

// Types of ICMPv6 messages.
const (
	listenerQuery = 130 // RFC 2710, RFC 3810
	solicitation  = 135 // RFC 4861
	advertisement = 136
	echoRequest   = 128
)

// icmpv6 is a message of a type that has an address behind its first 8 bytes.
func icmpv6(kind byte, target string) []byte {
	return append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, ip(target).AsSlice()...)
}

// routerAlert is a hop-by-hop header with the option of RFC 2711 for listeners.
func routerAlert(next byte) []byte { return []byte{next, 0, 5, 2, 0, 0, 1, 0} }

func nd(from, to string, kind byte, target string) []byte {
	return ipv6(from, to, unix.IPPROTO_ICMPV6, icmpv6(kind, target))
}

func listen(from, to string) []byte {
	return ipv6(from, to, 0, append(routerAlert(unix.IPPROTO_ICMPV6), icmpv6(listenerQuery, "::")...))
}

var someUDP = []byte{0, 9, 0, 9, 0, 9, 0, 0, 'x'}

func udp4(from, to string) []byte { return ipv4(from, to, unix.IPPROTO_UDP, nil, someUDP) }
func udp6(from, to string) []byte { return ipv6(from, to, unix.IPPROTO_UDP, someUDP) }

// igmpQuery is a query for all groups (RFC 2236).
var igmpQuery = []byte{0x11, 100, 0, 0, 0, 0, 0, 0}

func igmp(from, to string, options []byte) []byte {
	return ipv4(from, to, unix.IPPROTO_IGMP, options, igmpQuery)
}
