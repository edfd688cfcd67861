package probe

import (
	"encoding/binary"
	"math/bits"
)

// Damage says how the packets of a probe that reached the receiving host differ from those
// that were sent. Everything behind the Ethernet header is compared.
type Damage struct {
	Seen    int // packets that reached the link of the witness
	Packets int // of these, packets in which bits differ
	Bits    int // bits that differ, in all of these

	// Unguarded counts damaged packets whose UDP checksum has become 0. By this number UDP
	// says that there is no checksum, so that no kernel refuses them.
	Unguarded int
}

// Sizes of headers in bytes, and places in an IPv4 packet with UDP.
const (
	virtioSize  = 10 // include/uapi/linux/virtio_net.h, struct virtio_net_hdr
	etherSize   = 14
	ipSize      = 20
	udpSize     = 8
	headersSize = virtioSize + etherSize + ipSize + udpSize

	atID       = 4
	atIPCheck  = 10
	atUDPCheck = ipSize + 6
)

// common is what is the same in all packets of a probe: the IPv4 header with the identification
// of packet 0 and without checksum, and the UDP header without checksum.
type common [atUDPCheck]byte

// compare compares frames with what must have been sent. They are in the order of their
// numbers, none is missing, and each has a virtio header. The kernel gives each packet of a
// socket the next identification. Most packets must agree on each header.
func compare(frames [][]byte) Damage {
	d := Damage{Seen: len(frames)}
	headers := agreed(frames)
	for number, f := range frames {
		got := f[virtioSize+etherSize:]
		want := headers.packet(uint64(number), len(got), partial(f))
		differ := 0
		for i := range got {
			differ += bits.OnesCount8(got[i] ^ want[i])
		}
		if differ == 0 {
			continue
		}
		d.Packets++
		d.Bits += differ
		if binary.BigEndian.Uint16(got[atUDPCheck:]) == 0 {
			d.Unguarded++
		}
	}
	return d
}

// agreed returns the headers that most of the frames have.
func agreed(frames [][]byte) (most common) {
	votes := make(map[common]int)
	for number, f := range frames {
		h := common(f[virtioSize+etherSize:])
		binary.BigEndian.PutUint16(h[atID:], binary.BigEndian.Uint16(h[atID:])-uint16(number))
		binary.BigEndian.PutUint16(h[atIPCheck:], 0)
		votes[h]++
		if votes[h] > votes[most] {
			most = h
		}
	}
	return most
}

// partial reports whether the virtio header says that the checksum is not finished
// (VIRTIO_NET_HDR_F_NEEDS_CSUM). Then there is only the sum of the pseudo-header.
func partial(frame []byte) bool { return frame[0]&1 != 0 }

// packet returns a packet of size bytes from the IPv4 header on, as it was sent.
func (h common) packet(number uint64, size int, partial bool) []byte {
	p := make([]byte, size)
	copy(p, h[:])
	binary.BigEndian.PutUint16(p[atID:], binary.BigEndian.Uint16(p[atID:])+uint16(number))
	binary.BigEndian.PutUint16(p[atIPCheck:], ^sum(p[:ipSize], 0))
	binary.BigEndian.PutUint64(p[ipSize+udpSize:], number)
	const addresses, protocol = 12, 9
	check := sum(p[addresses:ipSize], uint32(p[protocol])+uint32(size-ipSize))
	if !partial {
		if check = ^sum(p[ipSize:], uint32(check)); check == 0 {
			check = 0xffff // the same number in ones' complement (RFC 768)
		}
	}
	binary.BigEndian.PutUint16(p[atUDPCheck:], check)
	return p
}

// sum returns the ones' complement sum (RFC 1071) of start and p. The length of p is even, or
// p ends with a zero.
func sum(p []byte, start uint32) uint16 {
	n := start
	for ; len(p) > 1; p = p[2:] {
		n += uint32(binary.BigEndian.Uint16(p))
	}
	n = n>>16 + n&0xffff
	return uint16(n>>16 + n&0xffff)
}
