package frame

import "encoding/binary"

// The two bits of explicit congestion notification (RFC 3168 §5) in the byte that has them.
const (
	ecnIPv4 = 0x03 // of byte 1 of an IPv4 header
	ecnIPv6 = 0x30 // of byte 1 of an IPv6 header: the first four bits of the byte before are the version
)

// Capable reports whether a packet says that its two ends understand congestion marks: ECT(0),
// ECT(1) or CE in its IPv4 or IPv6 header, also behind VLAN tags. Of a tunnel, the outer header
// counts, as it does for a router. All packets of a super-frame have the same mark. Any bytes
// are allowed.
func Capable(f Frame) bool {
	at, bits := ecnOf(f)
	return bits != 0 && f[at]&bits != 0
}

// MarkCE sets the mark "congestion experienced" in a packet, or in all packets of a
// super-frame, if it is Capable. It reports whether the frame has the mark now. It corrects
// the checksum of an IPv4 header; a wrong one stays wrong (RFC 1624). No other checksum
// covers the mark. Any bytes are allowed.
func MarkCE(f Frame) bool {
	at, bits := ecnOf(f)
	if bits == 0 || f[at]&bits == 0 {
		return false
	}
	old := f[at]
	f[at] |= bits
	if bits == ecnIPv4 {
		const checksum = 10 // its offset in the header
		field := f[at-1+checksum:]
		// RFC 1624 equation 3: the complement of the old word, and the new one.
		n := uint32(^binary.BigEndian.Uint16(field)) + uint32(^uint16(old)) + uint32(f[at])
		binary.BigEndian.PutUint16(field, ^fold(n))
	}
	return true
}

// ecnOf returns where the byte with the mark is in f, and which of its bits the mark is; 0: f
// is no IP packet.
func ecnOf(f Frame) (at int, bits byte) {
	if len(f) < HeaderLen+etherLen {
		return 0, 0
	}
	link, etherType := linkHeader(f[HeaderLen:])
	at = HeaderLen + link
	p := f[at:]
	switch {
	case etherType == etherIPv4 && len(p) >= ipv4Len && p[0]>>4 == 4:
		return at + 1, ecnIPv4
	case etherType == etherIPv6 && len(p) >= ipv6Len && p[0]>>4 == 6:
		return at + 1, ecnIPv6
	}
	return 0, 0
}
