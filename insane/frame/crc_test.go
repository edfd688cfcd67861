package frame_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// FinishCRC finishes the checksum of SCTP, also inside a tunnel, and leaves other frames
// alone. The checksum of the packet is that of a real one (RFC 9260 appendix A).
func TestFinishCRC(t *testing.T) {
	chunk := append([]byte{0x30, 0x39, 0xd4, 0x31, 0, 0, 0, 0, 0, 0, 0, 0}, []byte("123456789")...)
	f := super{family: 4, protocol: udp, payload: len(chunk) - 8, gso: 1000}.build()
	copy(f[tcp4At:], chunk)
	f[ip4+9] = 132
	f.SetHeader(frame.Header{Flags: frame.NeedsCsum, CsumStart: 34, CsumOffset: 8})
	for name, g := range map[string]frame.Frame{"alone": f.Clone(), "ipip": tunnelKinds()["ipip"].wrapFrame(f)} {
		before, start := g.Clone(), frame.HeaderLen+int(g.Header().CsumStart)
		frame.FinishCRC(g)
		if h := g.Header(); h.Flags != 0 || h.CsumStart != 0 {
			t.Errorf("%s: header %+v", name, h)
		}
		if want := castagnoli(before[start:]); binary.LittleEndian.Uint32(g[start+8:]) != want {
			t.Errorf("%s: % x, want %#x", name, g[start+8:start+12], want)
		}
	}
	for name, g := range map[string]frame.Frame{
		"tcp": super{family: 4, protocol: tcp, payload: 100, gso: 1000}.build(), "other offset": f.Clone(), "other protocol": f.Clone(),
	} {
		h := g.Header()
		h.GSOType, h.GSOSize = frame.GSONone, 0
		switch name {
		case "other offset":
			h.CsumOffset = 6
		case "other protocol":
			g[ip4+9] = udp
		}
		g.SetHeader(h)
		before := g.Clone()
		if frame.FinishCRC(g); !bytes.Equal(before, g) {
			t.Errorf("%s was changed", name)
		}
	}
}

// castagnoli is the checksum of SCTP, bit by bit.
func castagnoli(p []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range p {
		crc ^= uint32(b)
		for range 8 {
			crc = crc>>1 ^ crc&1*0x82f63b78
		}
	}
	return ^crc
}
