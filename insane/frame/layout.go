package frame

// Layout is the result of Inspect: the number of packets that a frame is on the wire,
// and the parts of the frame. It is valid until the bytes of the frame change.
//
// For a plain frame, all bytes count as header, so that the same sums hold for plain
// frames and super-frames.
type Layout struct {
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
func (l Layout) Packets() int { return l.packets }

// Bytes is the number of Ethernet bytes that packets [from, to) are on the
// wire, with the headers each of them repeats and without preamble and FCS.
// 0 ≤ from ≤ to ≤ Packets.
func (l Layout) Bytes(from, to int) uint64 {
	return uint64((to-from)*l.headers + l.offset(to) - l.offset(from))
}

// MTU returns the size in bytes of the largest packet, without its Ethernet header and up
// to two VLAN tags. The MTU of an interface must be at least this.
func (l Layout) MTU() int {
	return l.headers - l.link + min(l.size, l.payload)
}

// offset returns where the payload of packet i starts, in bytes from the start of
// the whole payload; for i = Packets it returns the end.
func (l Layout) offset(i int) int { return min(i*l.size, l.payload) }
