package frame

// Shape is what Inspect found in a frame: how many packets it is on the wire
// and how its bytes belong to them. It stays true as long as the bytes do.
//
// A plain frame is one packet that is all header. That is not how a person
// would put it, but it makes every sum below the same for both kinds.
type Shape struct {
	packets int // on the wire, ≥ 1
	link    int // bytes of Ethernet header and VLAN tags
	l4      int // bytes in front of the transport header
	headers int // bytes that every packet repeats: link, network and transport
	payload int // bytes behind them, in all packets together
	size    int // bytes of payload in each packet but the last

	family   uint8 // 4 or 6; 0 for a plain frame
	protocol uint8 // protocolTCP or protocolUDP; 0 for a plain frame
}

// Packets is the number of wire packets, at least 1.
func (s Shape) Packets() int { return s.packets }

// Bytes is the number of Ethernet bytes that packets [from, to) are on the
// wire, with the headers each of them repeats and without preamble and FCS.
// 0 ≤ from ≤ to ≤ Packets.
func (s Shape) Bytes(from, to int) uint64 {
	return uint64((to-from)*s.headers + s.offset(to) - s.offset(from))
}

// MTU is the number of bytes of the largest packet behind its Ethernet header
// and up to two VLAN tags, which is what the MTU of an interface must hold.
func (s Shape) MTU() int {
	return s.headers - s.link + min(s.size, s.payload)
}

// offset is where the payload of packet i starts, counted from the start of
// the whole payload; for i = Packets it is the end.
func (s Shape) offset(i int) int { return min(i*s.size, s.payload) }
