package frame

import "encoding/binary"

// MakePartial gives a received super-frame the partial checksum that Inspect and
// Split need, if the kernel has verified its checksums (DataValid). A NIC makes such
// super-frames, and so does GRO where the link has rx-gro-list (SKB_GSO_FRAGLIST).
// The kernel does the same before it segments them: tcp4_gso_segment of
// net/ipv4/tcp_offload.c.
//
// MakePartial does not change plain frames, super-frames with NeedsCsum, those that Inspect
// refuses for another reason, and those with an unknown pseudo-header. Inspect accepts every
// frame that MakePartial changes.
//
// A UDP super-frame with DataValid must also have the checksum of its first datagram,
// which rx-gro-list leaves in place. Without it, the datagrams are the outer packets
// of a tunnel and were not merged at this layer, but perhaps at the one inside.
func MakePartial(f Frame) {
	if len(f) < HeaderLen+etherLen || len(f) > MaxLen || f[1] == GSONone || f[0]&(NeedsCsum|DataValid) != DataValid {
		return
	}
	h, e := f.Header(), f[HeaderLen:]
	link, etherType := linkHeader(e)
	for _, l4 := range []int{firstTransport, secondTransport} {
		l := Layout{link: link}
		if l.walk(h, e, etherType, l4) == nil && l.makePartial(f, h) {
			return
		}
	}
}

// makePartial is MakePartial for a checked super-frame with the virtio header h. It reports
// whether it has changed the frame.
func (l *Layout) makePartial(f Frame, h Header) bool {
	e := f[HeaderLen:]
	addresses, ok := l.sumAddresses(e[l.l3:l.l4])
	t := e[l.l4:]
	if !ok || l.protocol == protocolUDP && !l.firstVerified(t, addresses) {
		return false
	}
	partial := fold(addresses + uint32(l.protocol) + uint32(len(t)>>16) + uint32(len(t)&0xffff))
	binary.BigEndian.PutUint16(t[l.checksumOffset():], partial)
	h.Flags = h.Flags&^DataValid | NeedsCsum
	h.CsumStart, h.CsumOffset = uint16(l.l4), uint16(l.checksumOffset())
	f.SetHeader(h)
	return true
}

// firstVerified reports whether the checksum in t, a UDP header and the payload of all
// datagrams, is the checksum of the first datagram. addresses is the result of
// sumAddresses.
func (l *Layout) firstVerified(t []byte, addresses uint32) bool {
	if binary.BigEndian.Uint16(t[l.checksumOffset():]) == 0 {
		return false // no checksum, RFC 768
	}
	n := udpLen + min(l.size, l.payload)
	// The length counts twice: in the pseudo-header, and in the header, which has
	// the length of the whole super-frame.
	all := addresses + protocolUDP + 2*uint32(n) + uint32(sum(t[:4])) + uint32(sum(t[6:n]))
	return fold(all) == 0xffff
}

// sumAddresses sums the addresses of the pseudo-header (RFC 9293 §3.1, RFC 8200
// §8.1) of packet p, the innermost IP header with all that follows it up to the
// transport header. The sum is not folded to 16 bits.
func (l *Layout) sumAddresses(p []byte) (n uint32, ok bool) {
	if l.family == 4 {
		return uint32(sum(p[12:ipv4Len])), !sourceRouted(p[ipv4Len:])
	}
	destination, ok := destinationIPv6(p)
	return uint32(sum(p[8:24])) + uint32(sum(destination)), ok
}

// Options of IPv4 (RFC 791 §3.1).
const (
	optionEnd         = 0
	optionNone        = 1
	optionLooseRoute  = 131
	optionStrictRoute = 137
)

// sourceRouted reports whether the pseudo-header may have another destination than the
// IPv4 header, because the options contain a source route or are malformed.
func sourceRouted(options []byte) bool {
	for len(options) > 0 && options[0] != optionEnd {
		length := 1
		if kind := options[0]; kind != optionNone {
			if kind == optionLooseRoute || kind == optionStrictRoute || len(options) < 2 || options[1] < 2 {
				return true
			}
			length = int(options[1])
		}
		options = options[min(length, len(options)):]
	}
	return false
}
