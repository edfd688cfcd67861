package frame

import "encoding/binary"

// TCP flags that do not belong to every segment, in the byte at flagsOffset
// of the header (RFC 9293 §3.1).
const (
	flagFIN = 0x01
	flagPSH = 0x08
	flagCWR = 0x80

	flagsOffset = 13
)

// rewrite makes a valid frame of r, which has the headers of the whole super-frame
// and the payload of its packets [from, to). It changes the headers of this run as
// the kernel changes those of each segment: tcp_gso_segment of
// net/ipv4/tcp_offload.c, __udp_gso_segment of net/ipv4/udp_offload.c,
// inet_gso_segment of net/ipv4/af_inet.c and ipv6_gso_segment of
// net/ipv6/ip6_offload.c; rewriteWraps has those of tunnels.
func (l *Layout) rewrite(r Frame, from, to int) {
	e := r[HeaderLen:]
	h, shift := r.Header(), l.start-l.headers // of all that is behind the jumbo option
	l4 := l.l4 - shift
	t := e[l4:]
	partial := l.rewriteChecksum(t)
	if l.protocol == protocolUDP {
		binary.BigEndian.PutUint16(t[4:], uint16(len(t)))
	} else {
		keepCWR := from == 0 || h.GSOType&GSOECN == 0
		rewriteTCP(t, from*l.size, keepCWR, to == l.packets)
	}
	l.rewriteWraps(e, l4, from, to, partial)
	h.CsumStart = uint16(l4)
	h.HdrLen = uint16(l.headers)
	switch {
	case to-from == 1:
		// virtio_net_hdr_from_skb writes the same values.
		if l.marked {
			h.Flags &^= markChecksum
		}
		h.GSOType, h.GSOSize, h.HdrLen = GSONone, 0, 0
	case l.protocol == protocolTCP && t[flagsOffset]&flagCWR == 0:
		h.GSOType &^= GSOECN
	}
	r.SetHeader(h)
}

// rewriteIPv4 changes p, an IPv4 header with its options, into the header of a
// packet of length bytes whose first segment is segment i of the super-frame.
func rewriteIPv4(p []byte, length, i int) {
	binary.BigEndian.PutUint16(p[2:], uint16(length))
	// The kernel counts the identification up for every segment, fragmentable
	// or not, and wraps it at 16 bits.
	id := binary.BigEndian.Uint16(p[4:])
	binary.BigEndian.PutUint16(p[4:], id+uint16(i))
	binary.BigEndian.PutUint16(p[10:], 0)
	binary.BigEndian.PutUint16(p[10:], ^sum(p))
}

// rewriteTCP changes t into the header of a run that starts offset bytes into the
// payload. FIN and PSH belong to the last segment only. CWR, the answer to a
// congestion mark (RFC 3168 §6.1.2), belongs to the first segment only if the type
// has GSOECN. Without GSOECN all segments keep CWR, as part of a counter (RFC 9768
// §3.2.2): Linux 7.3 merges such packets (SKB_GSO_TCP_ACCECN), and the virtio header
// has no type for them.
func rewriteTCP(t []byte, offset int, keepCWR, last bool) {
	seq := binary.BigEndian.Uint32(t[4:])
	binary.BigEndian.PutUint32(t[4:], seq+uint32(offset))
	if !last {
		t[flagsOffset] &^= flagFIN | flagPSH
	}
	if !keepCWR {
		t[flagsOffset] &^= flagCWR
	}
}

// rewriteChecksum changes the partial checksum of transport segment t to its new
// length and returns it. It does not sum the rest of the pseudo-header again: with a
// routing header, the pseudo-header has another destination than the IPv6 header (RFC
// 8200 §8.1).
func (l *Layout) rewriteChecksum(t []byte) uint16 {
	field := t[l.checksumOffset():]
	partial := shorten(binary.BigEndian.Uint16(field), l.start-l.l4+l.payload, len(t))
	binary.BigEndian.PutUint16(field, partial)
	return partial
}

// shorten changes the sum of a pseudo-header from one length in bytes to another.
func shorten(partial uint16, from, to int) uint16 {
	n := uint32(partial)
	// The one's complement of each half is what takes the length away.
	n += uint32(^uint16(from)) + uint32(^uint16(from>>16))
	return fold(n + uint32(to))
}

// sum is the one's complement sum of p (RFC 1071), which is at most 64 KiB.
func sum(p []byte) uint16 {
	var n uint32
	for ; len(p) >= 2; p = p[2:] {
		n += uint32(binary.BigEndian.Uint16(p))
	}
	if len(p) > 0 {
		n += uint32(p[0]) << 8
	}
	return fold(n)
}

// fold adds the carries of a sum of 16-bit words to its lower half.
func fold(n uint32) uint16 {
	n = n>>16 + n&0xffff
	n = n>>16 + n&0xffff
	return uint16(n)
}
