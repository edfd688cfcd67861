package match

import "encoding/binary"

// Key has the header fields of one packet that a match can look at: 56 bytes without padding,
// integers in host order, addresses in the order of the wire. The fast path of insane makes the
// same [Words] of a packet (insane/kern/key.h). A field that the packet has not is zero, and Has tells it from a zero of the
// packet. Package frame makes keys of frames; the package comment says of which headers.
//
// The length of a packet is no part of its key, as the last packet of a super-frame has
// another one.
type Key struct {
	// Source and Destination are the addresses of the IP header, or those that an ARP packet
	// has for IPv4 (sender and target), if Has tells so. An IPv4 address is in the first 4
	// bytes.
	Source, Destination [16]byte

	// The addresses of the outer Ethernet header. Every frame has them.
	DestinationMAC, SourceMAC [6]byte

	// EtherType is the type of what follows the Ethernet header and up to two VLAN tags;
	// 0 for the length of an IEEE 802.3 frame.
	EtherType uint16

	VLAN uint16 // Tagged and the identifier of the outer VLAN tag; 0: there is no tag

	SourcePort, DestinationPort uint16 // of TCP, UDP or SCTP, if Has has Ports

	Has      Has
	Protocol uint8 // behind the IP header and its extension headers, if Has has Protocol
	DSCP     uint8 // 0 to 63, if Has has DSCP
	Flags    Flags // of TCP; 0 without them
}

// Has says which fields of a Key a packet has, and what it is.
type Has uint8

// Bits of Has.
const (
	HasIPv4     Has = 1 << iota // Source and Destination are IPv4 addresses
	HasIPv6                     // Source and Destination are IPv6 addresses
	HasDSCP                     // DSCP is valid: there is a whole IP header
	HasProtocol                 // Protocol is valid
	HasPorts                    // SourcePort and DestinationPort are valid
	IsND                        // the packet is IPv6 neighbour discovery, ICMPv6 133 to 137
)

// Flags are those flags of TCP that a match can look at. Other flags are never in a Key: all
// packets of a super-frame but the last one have the same key.
type Flags uint8

// Bits of Flags, as they are in byte 13 of the TCP header.
const (
	FIN Flags = 0x01
	SYN Flags = 0x02
	RST Flags = 0x04
	ACK Flags = 0x10

	KnownFlags = FIN | SYN | RST | ACK
)

// Tagged is in Key.VLAN if there is a tag. The identifier is in the lower 12 bits.
const Tagged = 0x1000

// words are the bytes of a Key as integers, for masks and for hashing.
type words [7]uint64

// words returns the bytes of k.
func (k *Key) words() (w words) {
	w[0] = binary.NativeEndian.Uint64(k.Source[:8])
	w[1] = binary.NativeEndian.Uint64(k.Source[8:])
	w[2] = binary.NativeEndian.Uint64(k.Destination[:8])
	w[3] = binary.NativeEndian.Uint64(k.Destination[8:])
	w[4] = uint64(binary.NativeEndian.Uint32(k.DestinationMAC[:4])) |
		uint64(binary.NativeEndian.Uint16(k.DestinationMAC[4:]))<<32 | uint64(k.EtherType)<<48
	w[5] = uint64(binary.NativeEndian.Uint32(k.SourceMAC[:4])) |
		uint64(binary.NativeEndian.Uint16(k.SourceMAC[4:]))<<32 | uint64(k.VLAN)<<48
	w[6] = uint64(k.SourcePort) | uint64(k.DestinationPort)<<16 |
		uint64(k.Has)<<32 | uint64(k.Protocol)<<40 | uint64(k.DSCP)<<48 | uint64(k.Flags)<<56
	return w
}

// key is the inverse of Key.words.
func (w *words) key() (k Key) {
	binary.NativeEndian.PutUint64(k.Source[:8], w[0])
	binary.NativeEndian.PutUint64(k.Source[8:], w[1])
	binary.NativeEndian.PutUint64(k.Destination[:8], w[2])
	binary.NativeEndian.PutUint64(k.Destination[8:], w[3])
	binary.NativeEndian.PutUint32(k.DestinationMAC[:4], uint32(w[4]))
	binary.NativeEndian.PutUint16(k.DestinationMAC[4:], uint16(w[4]>>32))
	binary.NativeEndian.PutUint32(k.SourceMAC[:4], uint32(w[5]))
	binary.NativeEndian.PutUint16(k.SourceMAC[4:], uint16(w[5]>>32))
	k.EtherType, k.VLAN = uint16(w[4]>>48), uint16(w[5]>>48)
	k.SourcePort, k.DestinationPort = uint16(w[6]), uint16(w[6]>>16)
	k.Has, k.Protocol, k.DSCP, k.Flags = Has(w[6]>>32), uint8(w[6]>>40), uint8(w[6]>>48), Flags(w[6]>>56)
	return k
}

// and returns the bits that both have.
func (w *words) and(mask *words) (both words) {
	for i := range w {
		both[i] = w[i] & mask[i]
	}
	return both
}

// or returns the bits that one of the two has.
func (w *words) or(other *words) (either words) {
	for i := range w {
		either[i] = w[i] | other[i]
	}
	return either
}
