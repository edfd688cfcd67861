package frame

// The messages of ICMPv6 by which the hosts of a link find each other.
const (
	groupQuery   = 130 // the first of MLD (RFC 2710)
	groupDone    = 132 // the last of MLD
	routerAsks   = 133 // the first of neighbour discovery (RFC 4861)
	redirect     = 137 // the last of neighbour discovery
	groupReports = 143 // of MLDv2 (RFC 3810)
)

// The hop limits of these messages. A router has forwarded a packet with another one.
const (
	hopsUnrouted = 255 // of neighbour discovery (RFC 4861 section 6.1)
	hopsOfLink   = 1   // of MLD (RFC 3810 section 5)
)

// neighbourLen is how many bytes behind its link header Neighbour wants of a frame: those
// that tell the protocol, in IPv4 and in IPv6.
const neighbourLen = 10

// Neighbour reports whether a frame is a message by which the hosts of a link find each
// other: ARP, IPv6 neighbour discovery, IGMP or MLD, also behind VLAN tags. MLD belongs to
// them, because a host reports a group for each of its IPv6 addresses, and hears questions
// for the address through that group (RFC 4861 section 7.2.1); IGMP is the MLD of IPv4.
// Linux sends all of them by itself, at moments that no program knows.
//
// Any bytes are allowed. A super-frame and a frame that is cut short are no such message.
// The kernel's side of a device knows the same messages (neighbour.h).
func Neighbour(f Frame) bool {
	if len(f) < HeaderLen+etherLen+neighbourLen || f.Header().GSOType != GSONone {
		return false
	}
	e := f[HeaderLen:]
	link, etherType := linkHeader(e)
	if len(e) < link+neighbourLen {
		return false
	}
	switch p := e[link:]; etherType {
	case etherARP:
		return true
	case etherIPv4:
		return p[9] == protocolIGMP
	case etherIPv6:
		return neighbourIPv6(p)
	}
	return false
}

// neighbourIPv6 is Neighbour for an IPv6 packet with at least neighbourLen bytes. A report
// of groups follows a router alert option, in a header of 8 bytes.
func neighbourIPv6(p []byte) bool {
	next, hops, at := p[6], p[7], ipv6Len
	if next == nextHopByHop {
		if len(p) < at+2 || p[at+1] != 0 {
			return false
		}
		next, at = p[at], at+8
	}
	if next != protocolICMPv6 || len(p) <= at {
		return false
	}
	switch kind := p[at]; hops {
	case hopsUnrouted:
		return kind >= routerAsks && kind <= redirect
	case hopsOfLink:
		return kind >= groupQuery && kind <= groupDone || kind == groupReports
	}
	return false
}
