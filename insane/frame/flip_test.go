package frame_test

import (
	"encoding/binary"
	"math/bits"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// single is a packet of a super-frame, with its partial checksum.
func single(t testing.TB, s super) frame.Frame {
	t.Helper()
	f := s.build()
	l, err := frame.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	var split frame.Splitter
	return split.Cut(f, l, 1, 2)
}

// verifies reports whether a receiver accepts the checksums of a packet: that of an IPv4 header,
// and that of TCP or UDP.
func verifies(e []byte, family int) bool {
	l3, l4, protocol := 14, 14+40, 0
	var pseudo []byte
	if family == 4 {
		l4 = l3 + int(e[l3]&0xf)*4
		if l4 > len(e) || wordSum(e[l3:l4]) != 0xffff {
			return false
		}
		protocol = int(e[l3+9])
		pseudo = append(pseudo, e[l3+12:l3+20]...)
	} else {
		protocol = int(e[l3+6])
		pseudo = append(pseudo, e[l3+8:l3+40]...)
	}
	pseudo = append(pseudo, 0, 0, byte((len(e)-l4)>>8), byte(len(e)-l4), 0, byte(protocol))
	if protocol == udp && binary.BigEndian.Uint16(e[l4+6:]) == 0 {
		return true // there is none
	}
	return wordSum(append(pseudo, e[l4:]...)) == 0xffff
}

// One flipped bit of what a checksum covers makes the checksum wrong, wherever it is; and it is
// the only bit that differs from the finished packet.
func TestFlipEveryBit(t *testing.T) {
	for _, s := range []super{
		{family: 4, protocol: tcp, payload: 300, gso: 101},
		{family: 4, protocol: udp, payload: 300, gso: 100},
		{family: 6, protocol: tcp, payload: 300, gso: 100},
		{family: 6, protocol: udp, payload: 300, gso: 101},
	} {
		f := single(t, s)
		whole := packetsOf(t, f)[0]
		if !verifies(whole, s.family) {
			t.Fatalf("the packet itself does not verify")
		}
		if got, want := frame.Bits(f), uint64(8*(len(whole)-14)); got != want {
			t.Fatalf("%d bits, want %d", got, want)
		}
		for b := range frame.Bits(f) {
			g := f.Clone()
			frame.Flip(g, []uint64{b})
			e := g[frame.HeaderLen:]
			e[14+b/8] ^= 0x80 >> (b % 8)
			if string(e) != string(whole) {
				t.Fatalf("bit %d: another bit was flipped", b)
			}
			e[14+b/8] ^= 0x80 >> (b % 8)
			if (frame.Header{}) != g.Header() {
				t.Fatalf("the virtio header says %+v", g.Header())
			}
			if covered := s.family == 4 || b >= 8*6; covered && unhidden(s, b) && verifies(e, s.family) {
				t.Errorf("%d/%d: bit %d is flipped, and the packet verifies", s.family, s.protocol, b)
			}
		}
	}
}

// unhidden is false for bits that make the packet one of another protocol or length, of which
// verifies knows nothing.
func unhidden(s super, b uint64) bool {
	at := b / 8
	return s.family == 4 || at != 6 && at != 7
}

// Exactly the bits that were asked for are flipped, behind VLAN tags.
func TestFlipSeveral(t *testing.T) {
	f := single(t, super{family: 4, protocol: udp, tags: []uint16{typeSTag, typeTag}, payload: 300, gso: 100})
	whole := packetsOf(t, f)[0]
	frame.Flip(f, []uint64{0, 7, 200, frame.Bits(f) - 1})
	n := 0
	for i, b := range f[frame.HeaderLen:] {
		d := bits.OnesCount8(b ^ whole[i])
		if n += d; d > 0 && i < 22 {
			t.Errorf("byte %d of the link header was changed", i)
		}
	}
	if n != 4 {
		t.Errorf("%d bits were flipped, want 4", n)
	}
}

// The flag of a verified checksum does not outlast the damage.
func TestFlipOfVerifiedPacket(t *testing.T) {
	f := plain(typeIPv4, 100)
	f[0] = frame.DataValid
	frame.Flip(f, []uint64{300})
	if f[0] != 0 {
		t.Errorf("flags are %#02x", f[0])
	}
	frame.Flip(f, nil)
}

// A checksum outside of the frame changes nothing but the bits.
func TestFlipBadOffset(t *testing.T) {
	for _, h := range []frame.Header{
		{Flags: frame.NeedsCsum, CsumStart: 0xffff, CsumOffset: 16},
		{Flags: frame.NeedsCsum, CsumStart: 100, CsumOffset: 0xffff},
		{Flags: frame.NeedsCsum, CsumStart: 100, CsumOffset: 14},
	} {
		f := plain(typeIPv4, 100)
		f.SetHeader(h)
		frame.Flip(f, []uint64{0})
		if got := f.Header(); h.CsumOffset != 14 && got != h {
			t.Errorf("%+v became %+v", h, got)
		}
	}
}

// A frame without an Ethernet header has no bits.
func TestBitsOfRunt(t *testing.T) {
	for n := range frame.HeaderLen + 15 {
		if got := frame.Bits(make(frame.Frame, n)); got != 0 {
			t.Errorf("%d bytes have %d bits", n, got)
		}
	}
}
