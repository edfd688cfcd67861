package frame

import "encoding/binary"

// MakePartial gives a received super-frame the partial checksum that Inspect and
// Split want, if the kernel says that its checksums were verified (DataValid).
// So come super-frames that a NIC put together, or GRO where the link has
// rx-gro-list (SKB_GSO_FRAGLIST). The kernel does the same before it segments
// them: tcp4_gso_segment of net/ipv4/tcp_offload.c.
//
// Everything else stays as it is: plain frames, super-frames with NeedsCsum, and
// those that make no sense or whose pseudo-header cannot be told, all of which
// Inspect refuses. What MakePartial changes, Inspect accepts.
//
// UDP super-frames with DataValid must also bear the checksum of their first
// datagram, which rx-gro-list leaves in place. Without one, or with another, the
// datagrams are the outside of a tunnel and were not merged at this layer.
func MakePartial(f Frame) {
	if len(f) < HeaderLen+etherLen || f[1] == GSONone || f[0]&(NeedsCsum|DataValid) != DataValid {
		return
	}
	h, e := f.Header(), f[HeaderLen:]
	link, etherType := linkHeader(e)
	l, err := walk(h, e, link, etherType)
	if err != nil {
		return
	}
	addresses, ok := l.sumAddresses(e[l.link:l.l4])
	t := e[l.l4:]
	if !ok || l.protocol == protocolUDP && !l.firstVerified(t, addresses) {
		return
	}
	partial := fold(addresses + uint32(l.protocol) + uint32(len(t)))
	binary.BigEndian.PutUint16(t[l.checksumOffset():], partial)
	h.Flags = h.Flags&^DataValid | NeedsCsum
	h.CsumStart, h.CsumOffset = uint16(l.l4), uint16(l.checksumOffset())
	f.SetHeader(h)
}

// firstVerified says whether the checksum of t, a UDP header and the payload of
// all datagrams, is that of the first. addresses is what sumAddresses returns.
func (l *Layout) firstVerified(t []byte, addresses uint32) bool {
	if binary.BigEndian.Uint16(t[l.checksumOffset():]) == 0 {
		return false // no checksum, RFC 768
	}
	n := udpLen + min(l.size, l.payload)
	// The length is summed twice, in the pseudo-header and in the header,
	// where it is that of the whole by now.
	all := addresses + protocolUDP + 2*uint32(n) + uint32(sum(t[:4])) + uint32(sum(t[6:n]))
	return fold(all) == 0xffff
}

// sumAddresses sums the addresses of the pseudo-header (RFC 9293 §3.1, RFC 8200
// §8.1) of packet p, a checked IP header with all that follows it up to the
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

// sourceRouted says whether the destination in an IPv4 header may be another
// than the one in the pseudo-header, because of a source route among the
// options, or because the options make no sense.
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
