package frame

// Layout is the result of Inspect: the number of packets that a frame is on the wire,
// and the parts of the frame. It is valid until the bytes of the frame change.
//
// For a plain frame, all bytes count as header, so that the same sums hold for plain
// frames and super-frames.
type Layout struct {
	packets int // on the wire, ≥ 1
	link    int // bytes of the outer Ethernet header and its VLAN tags
	l3      int // bytes in front of the innermost IP header
	l4      int // bytes in front of the transport header
	start   int // bytes in front of the payload
	headers int // bytes that every packet repeats: start without the jumbo option
	payload int // bytes of payload in all packets together
	size    int // bytes of payload in each packet but the last
	most    int // packets that one result of Split may have

	family   uint8 // of the innermost IP header, 4 or 6; 0 for a plain frame
	protocol uint8 // protocolTCP or protocolUDP; 0 for a plain frame
	big      bool  // a length field is 0, because the frame has more than 64 KiB
	marked   bool  // Mark has marked the frame
	jumbo    int   // offset of the jumbo option, which no packet has; 0: there is none

	wraps  [maxWraps]wrap // the headers in front of the transport header, outer first
	nwraps int
}

// Packets is the number of wire packets, at least 1.
func (l *Layout) Packets() int { return l.packets }

// Bytes is the number of Ethernet bytes that packets [from, to) are on the
// wire, with the headers each of them repeats and without preamble and FCS.
// 0 ≤ from ≤ to ≤ Packets.
func (l *Layout) Bytes(from, to int) uint64 {
	return uint64((to-from)*l.headers + l.offset(to) - l.offset(from))
}

// MTU returns the size in bytes of the largest packet, without its Ethernet header and up
// to two VLAN tags. The MTU of an interface must be at least this.
func (l *Layout) MTU() int {
	return l.headers - l.link + min(l.size, l.payload)
}

// Whole reports whether a port carries the frame as it is. Otherwise Split must make
// smaller frames of it, even if all packets stay: no port can describe a super-frame of a
// tunnel that is not marked (see Mark), and none carries more than 64 KiB in one piece.
func (l *Layout) Whole() bool { return l.most >= l.packets }

// Run returns the end of the run of packets that begins with packet from: Split makes one
// frame of the packets [from, Run). relay has an element for each packet, and that of from
// is true.
func (l *Layout) Run(relay []bool, from int) int {
	to := from + 1
	for to < l.packets && relay[to] && to-from < l.most {
		to++
	}
	return to
}

// offset returns where the payload of packet i starts, in bytes from the start of
// the whole payload; for i = Packets it returns the end.
func (l *Layout) offset(i int) int { return min(i*l.size, l.payload) }

// limit sets how many packets one result of Split may have.
func (l *Layout) limit() {
	switch {
	case l.tunnel():
		l.most = 1
	case l.big:
		l.most = max(1, (maxPacket-(l.headers-l.link))/l.size)
	default:
		l.most = l.packets
	}
}
