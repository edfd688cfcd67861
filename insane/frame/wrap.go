package frame

import "encoding/binary"

// maxWraps is the most headers of a super-frame in front of its transport header.
const maxWraps = 10

// wrap is a header in front of the transport header that has a length field or a checksum
// of what it wraps.
type wrap struct {
	kind uint8
	at   uint16 // where the header begins
}

// Kinds of a wrap.
const (
	wrapIPv4 = iota
	wrapIPv6
	wrapUDP   // of a tunnel
	wrapGRE   // with a checksum
	wrapPPPoE // of a session
)

// add adds a wrap. If there is no room for it, walkHeaders gives up.
func (l *Layout) add(kind uint8, at int) {
	if l.nwraps < maxWraps {
		l.wraps[l.nwraps] = wrap{kind, uint16(at)}
	}
	l.nwraps++
}

// tunnel reports whether the innermost IP header is not the first one behind the link
// header.
func (l *Layout) tunnel() bool { return l.l3 != l.link }

// rewriteWraps changes the wraps in e for a run of the packets [from, to), the inner ones
// first, since outer checksums cover them. partial is the partial checksum of the transport
// header, which is at l4. In a run that is marked, outer checksums stay partial. The kernel does the same: __skb_udp_tunnel_segment of
// net/ipv4/udp_offload.c, gre_gso_segment of net/ipv4/gre_offload.c.
func (l *Layout) rewriteWraps(e []byte, l4, from, to int, partial uint16) {
	for i := l.nwraps - 1; i >= 0; i-- {
		w := l.wraps[i]
		at := int(w.at)
		if l.jumbo != 0 && at > l.jumbo {
			at -= jumboLen
		}
		p := e[at:]
		switch w.kind {
		case wrapIPv4:
			rewriteIPv4(p[:int(p[0]&0xf)*4], len(p), from)
		case wrapIPv6:
			binary.BigEndian.PutUint16(p[4:], uint16(len(p)-ipv6Len))
		case wrapUDP:
			whole := l.start + l.payload - int(w.at)
			if l.marked && to-from > 1 {
				shortenUDP(p, whole)
			} else {
				rewriteUDP(p, l4-at, whole, partial)
			}
		case wrapGRE:
			binary.BigEndian.PutUint16(p[4:], 0)
			binary.BigEndian.PutUint16(p[4:], outerChecksum(p[:l4-at], partial, 0))
		case wrapPPPoE:
			binary.BigEndian.PutUint16(p[4:], uint16(len(p)-6))
		}
	}
}

// rewriteUDP changes p, a UDP header of a tunnel and all behind it. Its transport header is
// n bytes behind it. In the super-frame it had whole bytes. A checksum of 0 means that there
// is none; any other value is the sum of the pseudo-header, with the length of the whole.
func rewriteUDP(p []byte, n, whole int, partial uint16) {
	binary.BigEndian.PutUint16(p[4:], uint16(len(p)))
	pseudo := binary.BigEndian.Uint16(p[6:])
	if pseudo == 0 {
		return
	}
	binary.BigEndian.PutUint16(p[6:], 0)
	check := outerChecksum(p[:n], partial, shorten(pseudo, whole, len(p)))
	if check == 0 {
		check = 0xffff // 0 means none, RFC 768
	}
	binary.BigEndian.PutUint16(p[6:], check)
}

// shortenUDP is rewriteUDP for a run that stays a super-frame.
func shortenUDP(p []byte, whole int) {
	binary.BigEndian.PutUint16(p[4:], uint16(len(p)))
	if pseudo := binary.BigEndian.Uint16(p[6:]); pseudo != 0 {
		binary.BigEndian.PutUint16(p[6:], shorten(pseudo, whole, len(p)))
	}
}

// outerChecksum returns a checksum that covers p and the transport segment behind it.
// pseudo is the sum of a pseudo-header. When the checksum of the transport segment is
// finished, the sum of the segment is the complement of its partial checksum (local checksum
// offload, Documentation/networking/checksum-offloads.rst). So the payload is not read.
func outerChecksum(p []byte, partial, pseudo uint16) uint16 {
	return ^fold(uint32(sum(p)) + uint32(^partial) + uint32(pseudo))
}
