package line_test

import (
	"encoding/binary"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// Lengths in bytes of what super makes.
const (
	linkLen   = 14
	headerLen = linkLen + 20 + 8
)

// super is a super-frame of UDP in IPv4, which is ECN-capable: n packets of size bytes of payload,
// the last of which has last. Each byte of payload is the number of its packet, modulo 256.
func super(n, size, last int) frame.Frame {
	payload := (n-1)*size + last
	f := make(frame.Frame, frame.HeaderLen+headerLen+payload)
	e := f[frame.HeaderLen:]
	e[12], e[13] = 0x08, 0x00
	ip := e[linkLen:]
	ip[0], ip[1], ip[8], ip[9] = 0x45, 0x02, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	udp := ip[20:]
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	for i := range payload {
		e[headerLen+i] = byte(i / size)
	}
	h := frame.Header{Flags: frame.NeedsCsum, GSOType: frame.GSOUDPL4, GSOSize: uint16(size), CsumStart: linkLen + 20, CsumOffset: 6}
	if n == 1 {
		h.GSOType, h.GSOSize = frame.GSONone, 0
	}
	f.SetHeader(h)
	return f
}

// numberOf is the number, modulo 256, of the first packet in a frame that was cut from a super,
// and whether the packets have the congestion mark.
func numberOf(f frame.Frame) (number byte, marked bool) {
	e := f[frame.HeaderLen:]
	return e[headerLen], e[linkLen+1]&3 == 3
}

// inspected is a frame with its layout.
func inspected(t testing.TB, f frame.Frame) (frame.Frame, frame.Layout) {
	t.Helper()
	l, err := frame.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	return f, l
}
