package host

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// routed is the content of a message of the kernel about a route.
type routed struct {
	dst                  netip.Prefix
	metric               uint32
	link                 int    // 0: there are several
	hops                 []Hop  // none: the host refuses to send to dst
	metrics              []byte // RTA_METRICS, inside the message
	names                bool   // a source address
	flags, id            uint32 // id: of the table, also above 255
	tos, table, protocol byte
}

// toRouted reads a struct rtmsg and what follows it. m has at least SizeofRtMsg bytes. The
// hops are appended to hops. toRouted allocates nothing else.
func toRouted(m []byte, hops []Hop) (r routed) {
	r = routed{tos: m[3], table: m[4], protocol: m[5], flags: binary.NativeEndian.Uint32(m[8:]), hops: hops}
	addr := everything(int(m[0])).Addr()
	var one Hop
	for kind, value := range attributes(m[unix.SizeofRtMsg:]) {
		switch kind {
		case unix.RTA_DST:
			addr, _ = netip.AddrFromSlice(value)
		case unix.RTA_PRIORITY:
			r.metric = number(value)
		case unix.RTA_TABLE:
			r.id = number(value)
		case unix.RTA_PREFSRC:
			r.names = true
		case unix.RTA_METRICS:
			r.metrics = value
		case unix.RTA_MULTIPATH:
			r.hops = appendHops(r.hops, value)
		default:
			one.add(kind, value)
		}
	}
	r.dst, r.link = netip.PrefixFrom(addr, int(m[1])), one.Link
	if len(r.hops) == len(hops) && one.Link != 0 {
		r.hops = append(r.hops, one)
	}
	if m[7] != unix.RTN_UNICAST {
		r.hops = hops
	}
	return r
}

// add reads one attribute of a hop.
func (h *Hop) add(kind uint16, value []byte) {
	switch {
	case kind == unix.RTA_OIF:
		h.Link = int(number(value))
	case kind == unix.RTA_GATEWAY:
		h.Via, _ = netip.AddrFromSlice(value)
	case kind == unix.RTA_VIA && len(value) > 2: // struct rtvia
		h.Via, _ = netip.AddrFromSlice(value[2:])
	}
}

// appendHops reads a list of struct rtnexthop, up to the first invalid one.
func appendHops(hops []Hop, list []byte) []Hop {
	for len(list) >= unix.SizeofRtNexthop {
		n := int(binary.NativeEndian.Uint16(list))
		if n < unix.SizeofRtNexthop || n > len(list) {
			break
		}
		h := Hop{Link: int(binary.NativeEndian.Uint32(list[4:]))}
		for kind, value := range attributes(list[unix.SizeofRtNexthop:n]) {
			h.add(kind, value)
		}
		hops = append(hops, h)
		list = list[min(len(list), (n+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
	}
	return hops
}

// number returns an attribute of four bytes; 0 if it has another length.
func number(value []byte) uint32 {
	if len(value) != 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(value)
}

// decides reports whether the route can decide where packets go: it is in the main table, and
// its destination is not link-local.
func (r *routed) decides() bool {
	return (r.table == unix.RT_TABLE_MAIN || r.table == unix.RT_TABLE_COMPAT) &&
		!(r.dst.Addr().Is6() && r.dst.Bits() >= 10 && r.dst.Addr().IsLinkLocalUnicast())
}

// lists reports whether the route belongs to the list of Links.Routes.
func (r *routed) lists() bool {
	return r.table == unix.RT_TABLE_MAIN && r.tos == 0 && r.flags&unix.RTM_F_CLONED == 0 && r.dst.IsValid()
}

// through reports whether one of the hops uses a link.
func (r *routed) through(link int) bool {
	for _, h := range r.hops {
		if h.Link == link {
			return true
		}
	}
	return false
}
