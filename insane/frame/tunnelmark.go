package frame

import "encoding/binary"

// Marks of a super-frame of a UDP tunnel (VXLAN, GENEVE, FOU, GUE) that is to be written in
// one piece, to a port that has a longer virtio header for it. They are those of that header.
// Frames that a port has read have no marks: Inspect finds the tunnel in the bytes.
const (
	markTunnel4  = 0x20 // in GSOType: the outer IP header is IPv4
	markTunnel6  = 0x40 // in GSOType: it is IPv6
	markChecksum = 8    // in Flags: the outer UDP header has a partial checksum

	markTunnel = markTunnel4 | markTunnel6
)

// Mark marks f, the frame of the layout, if it is a super-frame of a UDP tunnel that the
// kernel can describe: one tunnel that is in no other, and at most 64 KiB. Then Whole is true,
// and Split keeps each run of packets in one frame, with marks as well. Other frames stay as
// they are.
func (l *Layout) Mark(f Frame) {
	if l.big || l.nwraps != 3 || l.wraps[1].kind != wrapUDP {
		return
	}
	h := f.Header()
	h.GSOType |= markTunnel6
	if l.wraps[0].kind == wrapIPv4 {
		h.GSOType ^= markTunnel
	}
	const checksum = 6 // its offset in the UDP header
	if binary.BigEndian.Uint16(f[HeaderLen+int(l.wraps[1].at)+checksum:]) != 0 {
		h.Flags |= markChecksum
	}
	f.SetHeader(h)
	l.most, l.marked = l.packets, true
}

// Unmark removes the marks of a frame that a port has read. A frame shorter than HeaderLen
// has none.
func (f Frame) Unmark() {
	if len(f) >= HeaderLen && f[1]&markTunnel != 0 {
		f[0] &^= markChecksum
		f[1] &^= markTunnel
	}
}

// Tunnel returns where in a marked frame the outer UDP header and the inner IP header begin,
// in bytes from the start of the Ethernet header. ok is false for every other frame.
func (f Frame) Tunnel() (outer, inner int, ok bool) {
	if len(f) < HeaderLen+etherLen || f[1]&markTunnel == 0 {
		return 0, 0, false
	}
	h, e := f.Header(), f[HeaderLen:]
	h.GSOType &^= markTunnel
	link, etherType := linkHeader(e)
	l := Layout{link: link}
	if err := l.inspectSuper(h, e, etherType); err != nil || l.nwraps != 3 {
		return 0, 0, false
	}
	return int(l.wraps[1].at), l.l3, true
}
