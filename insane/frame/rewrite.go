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

// rewrite turns r, which has the headers of the whole super-frame and the
// payload of its packets [from, to), into a frame that is right by itself. It
// does to a run what the kernel does to each segment: tcp_gso_segment of
// net/ipv4/tcp_offload.c, __udp_gso_segment of net/ipv4/udp_offload.c,
// inet_gso_segment of net/ipv4/af_inet.c and ipv6_gso_segment of
// net/ipv6/ip6_offload.c.
func (l Layout) rewrite(r Frame, from, to int) {
	e := r[HeaderLen:]
	if l.family == 4 {
		rewriteIPv4(e[l.link:l.l4], len(e)-l.link, from)
	} else {
		binary.BigEndian.PutUint16(e[l.link+4:], uint16(len(e)-l.link-ipv6Len))
	}
	h, t := r.Header(), e[l.l4:]
	l.rewriteChecksum(t)
	if l.protocol == protocolUDP {
		binary.BigEndian.PutUint16(t[4:], uint16(len(t)))
	} else {
		keepCWR := from == 0 || h.GSOType&GSOECN == 0
		rewriteTCP(t, from*l.size, keepCWR, to == l.packets)
	}
	h.HdrLen = uint16(l.headers)
	switch {
	case to-from == 1:
		// As virtio_net_hdr_from_skb leaves them.
		h.GSOType, h.GSOSize, h.HdrLen = GSONone, 0, 0
	case l.protocol == protocolTCP && t[flagsOffset]&flagCWR == 0:
		h.GSOType &^= GSOECN
	}
	r.SetHeader(h)
}

// rewriteIPv4 makes p, an IPv4 header with its options, that of a packet of
// length bytes whose first segment is number i.
func rewriteIPv4(p []byte, length, i int) {
	binary.BigEndian.PutUint16(p[2:], uint16(length))
	// The kernel counts the identification up for every segment, fragmentable
	// or not, and wraps it at 16 bits.
	id := binary.BigEndian.Uint16(p[4:])
	binary.BigEndian.PutUint16(p[4:], id+uint16(i))
	binary.BigEndian.PutUint16(p[10:], 0)
	binary.BigEndian.PutUint16(p[10:], ^sum(p))
}

// rewriteTCP makes t the header of a run that starts offset bytes into the
// payload. What is said at the end of the data is said by the last segment
// only. CWR, the answer to a congestion mark (RFC 3168 §6.1.2), is said by the
// first if GSOECN says so; otherwise all have it, as part of a counter (RFC 9768
// §3.2.2): Linux 7.3 merges such packets (SKB_GSO_TCP_ACCECN), for which the
// virtio header has no name. It takes CWR from all but the first when it cuts
// them itself.
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

// rewriteChecksum makes the partial checksum of transport segment t that of
// its new length. The rest of the pseudo-header is left alone instead of
// summed again: with a routing header the destination in it is not the one of
// the IPv6 header (RFC 8200 §8.1).
func (l Layout) rewriteChecksum(t []byte) {
	field := t[l.checksumOffset():]
	whole := l.headers - l.l4 + l.payload
	partial := uint32(binary.BigEndian.Uint16(field))
	partial += uint32(^uint16(whole)) // the one'l complement of what is taken away
	partial += uint32(len(t))
	binary.BigEndian.PutUint16(field, fold(partial))
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
