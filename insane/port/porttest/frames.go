package porttest

import (
	"encoding/binary"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// Lengths in a test packet, in bytes.
const (
	linkLen   = 14                  // Ethernet header
	IPLen     = 20                  // IPv4 header
	HeaderLen = linkLen + IPLen + 8 // all headers: Ethernet, IPv4, UDP
	IndexLen  = 8                   // the payload of every test packet begins with its index
)

// SuperFrame is a UDP super-frame of n packets with size bytes of payload each,
// which carry the indices from first on. n = 1 makes a plain packet.
func SuperFrame(first uint64, n, size int) frame.Frame {
	f := make(frame.Frame, frame.HeaderLen+HeaderLen+n*size)
	e := f[frame.HeaderLen:]
	copy(e, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00")
	ip := e[linkLen:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	copy(ip[12:], "\x0a\x09\x00\x01\x0a\x09\x00\x02")
	udp := ip[IPLen:]
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	for i := range n {
		binary.BigEndian.PutUint64(udp[8+i*size:], first+uint64(i))
	}
	h := frame.Header{Flags: frame.NeedsCsum, CsumStart: linkLen + IPLen, CsumOffset: 6}
	if n > 1 {
		h.GSOType, h.GSOSize = frame.GSOUDPL4, uint16(size)
	}
	f.SetHeader(h)
	return f
}

// InVXLAN puts a super-frame into a VXLAN over IPv4, without an outer checksum, between the
// MAC addresses of the super-frame. It has no marks (see frame.Layout.Mark).
func InVXLAN(inner frame.Frame) frame.Frame {
	const vxlanLen = 8
	f := make(frame.Frame, frame.HeaderLen+HeaderLen+vxlanLen, frame.HeaderLen+HeaderLen+vxlanLen+len(inner))
	e := f[frame.HeaderLen:]
	copy(e, inner[frame.HeaderLen:][:linkLen-2])
	f = append(f, inner[frame.HeaderLen:]...)
	ip, length := e[linkLen:], len(f)-frame.HeaderLen-linkLen
	e[linkLen-2], ip[0], ip[8], ip[9] = 8, 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(length))
	copy(ip[12:], "\x0a\x09\x00\x02\x0a\x09\x00\x01")
	copy(ip[IPLen:], "\xc0\x01\x12\xb5\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x2a\x00")
	binary.BigEndian.PutUint16(ip[IPLen+4:], uint16(length-IPLen))
	h := inner.Header()
	h.CsumStart += HeaderLen + vxlanLen
	f.SetHeader(h)
	return f
}

// Indices are the indices of the packets in a frame that SuperFrame made, or in a
// part of such a frame that a split has left.
func Indices(f frame.Frame, size int) (list []uint64) {
	payload := f[frame.HeaderLen+HeaderLen:]
	for ; len(payload) >= IndexLen; payload = payload[min(size, len(payload)):] {
		list = append(list, binary.BigEndian.Uint64(payload))
	}
	return list
}
