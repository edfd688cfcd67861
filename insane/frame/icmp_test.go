package frame

import "testing"

// The type and the identifier of a message are found where they are, and nothing of other packets.
func TestICMP(t *testing.T) {
	message := func(link, ip []byte, rest int) Frame {
		f := append(make(Frame, HeaderLen), make([]byte, 12)...)
		f = append(append(f, link...), ip...)
		return append(f, []byte{9, 0, 0, 0, 0x12, 0x34, 0, 0}[:rest]...)
	}
	v4 := func(first, fragment, protocol byte) []byte {
		h := make([]byte, int(first&0xf)*4)
		h[0], h[7], h[9] = first, fragment, protocol
		return h
	}
	v6 := func(next byte) []byte {
		h := make([]byte, 40)
		h[0], h[6] = 0x60, next
		return h
	}
	for i, c := range []struct {
		f    Frame
		want bool
	}{
		{message([]byte{8, 0}, v4(0x45, 0, 1), 8), true},
		{message([]byte{8, 0}, v4(0x47, 0, 1), 8), true},
		{message([]byte{0x81, 0, 0, 5, 8, 0}, v4(0x45, 0, 1), 8), true},
		{message([]byte{0x86, 0xdd}, v6(58), 8), true},
		{message([]byte{8, 0}, v4(0x45, 0, 1), 7), false},
		{message([]byte{8, 0}, v4(0x45, 1, 1), 8), false},
		{message([]byte{8, 0}, v4(0x45, 0, 17), 8), false},
		{message([]byte{0x86, 0xdd}, v6(0), 8), false},
		{message([]byte{8, 6}, v4(0x45, 0, 1), 8), false},
		{make(Frame, HeaderLen), false},
		{nil, false},
	} {
		kind, id, ok := ICMP(c.f)
		if ok != c.want || ok && (kind != 9 || id != 0x1234) {
			t.Errorf("case %d: %d %#x %v", i, kind, id, ok)
		}
	}
}
