package frame

// Types of routing headers whose list of addresses is known.
const (
	routingSource  = 0 // RFC 5095 tells how it was meant
	routingHome    = 2 // RFC 6275 §6.4
	routingSegment = 4 // RFC 8754 §2
)

// optionHomeAddress is the destination option that makes the source in the
// pseudo-header another than the one in the IPv6 header (RFC 6275 §6.3).
const optionHomeAddress = 0xc9

// destinationIPv6 returns the destination in the pseudo-header of packet p, a
// checked IPv6 header and its extension headers: where the packet ends its way
// and not where it goes next (RFC 8200 §8.1). ok is false if that cannot be
// told, or the source cannot.
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

// lastSegment returns the address at the end of the way that x describes, a
// routing header that is not used up.
func lastSegment(x []byte) (address []byte, ok bool) {
	switch kind := x[2]; {
	case len(x) < 8+16:
		return nil, false
	case (kind == routingSource || kind == routingHome) && len(x)%16 == 8:
		return x[len(x)-16:], true
	case kind == routingSegment: // the list begins with its end
		return x[8 : 8+16], true
	}
	return nil, false
}

// hasHomeAddress says whether there is a home address among the destination
// options, or the options make no sense (RFC 8200 §4.2).
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
