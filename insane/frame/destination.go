package frame

// Types of routing headers. Their lists of addresses have known formats.
const (
	routingSource  = 0 // deprecated by RFC 5095
	routingHome    = 2 // RFC 6275 §6.4
	routingSegment = 4 // RFC 8754 §2
)

// optionHomeAddress is the destination option that makes the source in the
// pseudo-header another than the one in the IPv6 header (RFC 6275 §6.3).
const optionHomeAddress = 0xc9

// destinationIPv6 returns the destination in the pseudo-header of packet p, a
// checked IPv6 header and its extension headers. That is the final destination, and
// not the next hop (RFC 8200 §8.1). ok is false if the destination or the source of
// the pseudo-header cannot be found out.
func destinationIPv6(p []byte) (destination []byte, ok bool) {
	destination, ok = p[24:ipv6Len], true
	for next, rest := p[6], p[ipv6Len:]; len(rest) > 0; {
		x := rest[:(int(rest[1])+1)*8]
		switch next {
		case nextRouting:
			if segmentsLeft := x[3]; segmentsLeft > 0 {
				destination, ok = lastSegment(x)
			}
		case nextDestinations:
			ok = !hasHomeAddress(x[2:])
		}
		if !ok {
			return nil, false
		}
		next, rest = x[0], rest[len(x):]
	}
	return destination, ok
}

// lastSegment returns the last address of the route in x, a routing header with
// segments left.
func lastSegment(x []byte) (address []byte, ok bool) {
	switch kind := x[2]; {
	case len(x) < 8+16:
		return nil, false
	case (kind == routingSource || kind == routingHome) && len(x)%16 == 8:
		return x[len(x)-16:], true
	case kind == routingSegment: // the list is in reverse order
		return x[8 : 8+16], true
	}
	return nil, false
}

// hasHomeAddress reports whether the destination options contain a home address or are
// malformed (RFC 8200 §4.2).
func hasHomeAddress(options []byte) bool {
	for len(options) > 0 {
		length := 1 // Pad1, which has no length
		if kind := options[0]; kind != 0 {
			if kind == optionHomeAddress || len(options) < 2 {
				return true
			}
			length = 2 + int(options[1])
		}
		options = options[min(length, len(options)):]
	}
	return false
}
