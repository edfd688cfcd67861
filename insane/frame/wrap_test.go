package frame_test

import (
	"encoding/binary"
	"slices"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// tunnel puts an Ethernet frame, or the packet in it, behind headers of its own. It shares
// nothing with the package under test.
type tunnel struct {
	family   int    // of the outer IP header; 0: there is none
	protocol byte   // of the outer IP header, or else the second half of the Ethernet type 0x88..
	header   []byte // what follows
	ethernet bool   // the inner Ethernet frame is kept
	checksum bool   // of UDP or GRE
}

const (
	ipip, sit, gre, pppoe, mpls = 4, 41, 47, 0x64, 0x47
)

func tunnelKinds() map[string]tunnel {
	port := []byte{0xc0, 0x01, 0x12, 0xb5, 0, 0, 0, 0}
	on := func(more ...byte) []byte { return append(slices.Clone(port), more...) }
	vx, gen := on(8, 0, 0, 0, 0, 0, 42, 0), on(2, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 0x80, 1, 1, 2, 3, 4)
	return map[string]tunnel{
		"ipip":        {family: 4, protocol: ipip},
		"ip6tnl":      {family: 6, protocol: ipip},
		"gre":         {family: 4, protocol: gre, header: []byte{0, 0, 8, 0}},
		"gre sum key": {family: 4, protocol: gre, header: []byte{0xa0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 42}, checksum: true},
		"gretap":      {family: 6, protocol: gre, header: []byte{0x20, 0, 0x65, 0x58, 0, 0, 0, 1}, ethernet: true},
		"vxlan":       {family: 4, protocol: udp, header: vx, ethernet: true},
		"vxlan sum":   {family: 6, protocol: udp, header: vx, ethernet: true, checksum: true},
		"vxlan group": {family: 4, protocol: udp, header: on(0x88, 0, 0x12, 0x34, 0, 0, 42, 0), ethernet: true, checksum: true},
		"vxlan-gpe":   {family: 4, protocol: udp, header: on(0x0c, 0, 0, 1, 0, 0, 42, 0)},
		"geneve":      {family: 4, protocol: udp, header: gen, ethernet: true},
		"geneve sum":  {family: 4, protocol: udp, header: gen, ethernet: true, checksum: true},
		"fou":         {family: 4, protocol: udp, header: port, checksum: true},
		"gue":         {family: 6, protocol: udp, header: on(1, ipip, 0, 0, 0, 0, 0, 0), checksum: true},
		"pppoe":       {protocol: pppoe, header: []byte{0x11, 0, 0, 7, 0, 0, 0, 0x21}},
		"mpls":        {protocol: mpls, header: []byte{0, 0, 0x10, 64, 0, 0, 0x21, 64}},
	}
}

// over6 is the tunnel for an inner IPv6 packet, where the header tells the family.
func (u tunnel) over6() tunnel {
	u.header = slices.Clone(u.header)
	h := u.header
	switch {
	case u.protocol == ipip:
		u.protocol = sit
	case u.protocol == gre && !u.ethernet:
		h[2], h[3] = 0x86, 0xdd
	case u.protocol == pppoe:
		h[7] = 0x57
	case u.protocol == udp && len(h) > 8 && h[8] == 0x0c:
		h[11] = 2
	case u.protocol == udp && len(h) > 8 && h[8] == 1:
		h[9] = sit
	}
	return u
}

// wrap makes the outer frame of packet number i, or of the whole super-frame (i < 0). Of the
// latter, checksums are those of a pseudo-header alone.
func (u tunnel) wrap(e []byte, i int) []byte {
	if binary.BigEndian.Uint16(e[12:]) == typeIPv6 {
		u = u.over6()
	}
	body := slices.Clone(u.header)
	if u.ethernet {
		body = append(body, e...)
	} else {
		body = append(body, e[14:]...)
	}
	o := slices.Concat(macTo, macFrom)
	if u.family == 0 {
		o = append(o, 0x88, u.protocol)
		if u.protocol == pppoe {
			binary.BigEndian.PutUint16(body[4:], uint16(len(body)-6))
		}
		return append(o, body...)
	}
	var addresses []byte
	if u.family == 4 {
		ip := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, u.protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(body)))
		binary.BigEndian.PutUint16(ip[4:], uint16(0xfffe+max(0, i)))
		binary.BigEndian.PutUint16(ip[10:], ^wordSum(ip))
		o, addresses = append(append(o, 8, 0), ip...), ip[12:]
	} else {
		ip := make([]byte, 40)
		ip[0], ip[6], ip[7], ip[8], ip[23], ip[24], ip[39] = 0x60, u.protocol, 64, 0xfd, 1, 0xfd, 2
		binary.BigEndian.PutUint16(ip[4:], uint16(len(body)))
		o, addresses = append(append(o, 0x86, 0xdd), ip...), ip[8:]
	}
	u.sum(body, addresses, i < 0)
	return append(o, body...)
}

// sum fills in length and checksum of UDP or GRE.
func (u tunnel) sum(body, addresses []byte, whole bool) {
	if u.protocol == gre {
		if u.checksum && !whole {
			binary.BigEndian.PutUint16(body[4:], ^wordSum(body))
		}
		return
	}
	if u.protocol != udp {
		return
	}
	binary.BigEndian.PutUint16(body[4:], uint16(len(body)))
	pseudo := slices.Concat(addresses, []byte{0, udp}, body[4:6])
	switch {
	case !u.checksum:
	case whole:
		binary.BigEndian.PutUint16(body[6:], wordSum(pseudo))
	default:
		binary.BigEndian.PutUint16(body[6:], ^wordSum(append(pseudo, body...)))
	}
}

// wrapFrame is wrap for a super-frame with its virtio header.
func (u tunnel) wrapFrame(f frame.Frame) frame.Frame {
	o := frame.Frame(append(slices.Clone(f[:frame.HeaderLen]), u.wrap(f[frame.HeaderLen:], -1)...))
	h := o.Header()
	h.CsumStart += uint16(len(o) - len(f))
	h.HdrLen += uint16(len(o) - len(f))
	o.SetHeader(h)
	return o
}
