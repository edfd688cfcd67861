package probe

import (
	"encoding/binary"
	"slices"
	"testing"
)

// known is the IPv4 header, without identification and checksum, of UDP from 10.9.0.1:4660 to
// 10.9.0.2:22136 with 16 bytes of payload, and the UDP header without checksum.
var known = common{0x45, 0, 0, 44, 0xff, 0xfe, 0x40, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2, 0x12, 0x34, 0x56, 0x78, 0, 24}

// frameOf is packet number as it arrives; if partial, with an unfinished checksum.
func frameOf(number uint64, partial bool) []byte {
	const payload = 16
	f := make([]byte, virtioSize+etherSize, headersSize+payload)
	if partial {
		f[0] = 1
	}
	return append(f, known.packet(number, ipSize+udpSize+payload, partial)...)
}

// framesOf are the first so many packets, with finished and unfinished checksums in turn.
func framesOf(count int) (frames [][]byte) {
	for i := range count {
		frames = append(frames, frameOf(uint64(i), i%2 == 0))
	}
	return frames
}

// The checksums were computed by another program.
func TestPacketHasItsChecksums(t *testing.T) {
	for number, want := range map[uint64][2]uint16{0: {0x26ae, 0x82fd}, 3: {0x26ac, 0x82fa}} {
		p := frameOf(number, false)[virtioSize+etherSize:]
		got := [2]uint16{binary.BigEndian.Uint16(p[atIPCheck:]), binary.BigEndian.Uint16(p[atUDPCheck:])}
		if got != want {
			t.Errorf("packet %d has the checksums %#04x, want %#04x", number, got, want)
		}
	}
}

// Each bit of a packet, flipped by itself, is one damaged packet and one bit.
func TestCompareFindsEachBit(t *testing.T) {
	frames := framesOf(8)
	if got, want := compare(frames), (Damage{Seen: 8}); got != want {
		t.Errorf("of whole packets: %+v, want %+v", got, want)
	}
	whole := frameOf(5, false)
	for bit := 8 * (virtioSize + etherSize); bit < 8*len(whole); bit++ {
		frames[5] = slices.Clone(whole)
		frames[5][bit/8] ^= 0x80 >> (bit % 8)
		if got, want := compare(frames), (Damage{Seen: 8, Packets: 1, Bits: 1}); got != want {
			t.Fatalf("bit %d: %+v, want %+v", bit, got, want)
		}
	}
}

// One bit of every packet, and another one of some: each is found as long as most packets agree
// on each header.
func TestCompareCountsBits(t *testing.T) {
	frames := framesOf(40)
	for i, f := range frames {
		f[virtioSize+etherSize+i] ^= 0x10
	}
	frames[20][headersSize+3] ^= 0x81
	if got, want := compare(frames), (Damage{Seen: 40, Packets: 40, Bits: 42}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := compare(nil); got != (Damage{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

// A packet whose UDP checksum becomes 0 has none.
func TestCompareKnowsNoChecksum(t *testing.T) {
	frames := framesOf(8)
	frames[3] = frameOf(3, false)
	binary.BigEndian.PutUint16(frames[3][virtioSize+etherSize+atUDPCheck:], 0)
	if got := compare(frames); got.Packets != 1 || got.Unguarded != 1 {
		t.Errorf("%+v", got)
	}
}
