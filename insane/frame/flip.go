package frame

import "encoding/binary"

// Bits is how many bits of a frame Flip can flip: those behind the Ethernet header and up to
// two VLAN tags. A frame that is too short to have them has none.
func Bits(f Frame) uint64 {
	if len(f) < HeaderLen+etherLen {
		return 0
	}
	link, _ := linkHeader(f[HeaderLen:])
	return 8 * uint64(len(f)-HeaderLen-link)
}

// Flip flips bits of a frame without GSO type. Bit 0 is the highest bit of the first byte behind
// the Ethernet header and its VLAN tags; each is less than Bits(f). A bit that is there twice
// is flipped twice.
//
// If the frame has a partial checksum, Flip finishes it first. The virtio header says no more
// than that nothing is known of the checksum, so that whoever receives the packet verifies it,
// and finds one flipped bit wherever a checksum covers it. Several bits can hide each other:
// the sum stays if one bit of a word goes up and the same bit of another word goes down.
func Flip(f Frame, bits []uint64) {
	if len(bits) == 0 {
		return
	}
	link, _ := linkHeader(f[HeaderLen:]) // before the checksum, which may lie in a tag of a crafted frame
	p := f[HeaderLen+link:]
	finishChecksum(f)
	for _, b := range bits {
		p[b/8] ^= 0x80 >> (b % 8)
	}
}

// finishChecksum finishes a partial checksum of a frame without GSO type, and takes from the
// virtio header what says that the checksum is right. The kernel does the same:
// skb_checksum_help of net/core/dev.c. A frame whose checksum would lie outside of it stays as
// it is; the kernel refuses it.
func finishChecksum(f Frame) {
	h, e := f.Header(), f[HeaderLen:]
	if h.Flags&NeedsCsum != 0 {
		start := int(h.CsumStart)
		field := start + int(h.CsumOffset)
		if field+2 > len(e) {
			return
		}
		binary.BigEndian.PutUint16(e[field:], finished(e[start:]))
	}
	h.Flags &^= NeedsCsum | DataValid
	h.CsumStart, h.CsumOffset = 0, 0
	f.SetHeader(h)
}

// longSum is sum for any length. It takes two words at once, whose sum is the same when the carries
// are added to the lower half.
func longSum(p []byte) uint16 {
	var n uint64
	for ; len(p) >= 16; p = p[16:] {
		n += uint64(binary.BigEndian.Uint32(p)) + uint64(binary.BigEndian.Uint32(p[4:])) +
			uint64(binary.BigEndian.Uint32(p[8:])) + uint64(binary.BigEndian.Uint32(p[12:]))
	}
	n = n>>32 + n&0xffffffff
	n = n>>32 + n&0xffffffff
	return fold(uint32(fold(uint32(n))) + uint32(sum(p)))
}
