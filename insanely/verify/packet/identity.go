package packet

import (
	"encoding/binary"
	"hash/maphash"
)

// Identity is by what a packet is known again behind the device. It leaves out what the way
// through the device, or the host's finishing touches, may change: Ethernet addresses, checksums,
// marks of congestion, padding, and the flags of TCP that only the last packet of a super-frame
// has. Two packets that a sender has made alike have one Identity.
type Identity struct {
	Name   uint64 // headers, and the first bytes behind them
	Digest uint64 // everything
	Head   uint64 // headers
	Body   uint64 // everything behind the headers, and how long that is
}

// nameBytes is how many bytes behind the headers belong to the name. The rest of the packet
// may be damaged, or cut off by the witness, and it is still known.
const nameBytes = 64

// named is how many of these bytes the name has. A packet of TCP has a number of its own in its header,
// and of large super-frames the witness sees no more than that.
func (h *headers) named() int {
	if h.key.Protocol == protocolTCP && h.transport != 0 {
		return 0
	}
	return nameBytes
}

// seed makes the hashes of one process comparable.
var seed = maphash.MakeSeed()

// Bytes of header fields.
const (
	ipv4ID       = 4
	ipv4TTL      = 8
	ipv4Checksum = 10
	tcpSequence  = 4
	lastFlags    = 0x09 | 0xc0 // FIN and PSH, ECE and CWR
)

// identify returns the identity of packet i of a frame whose payload ends at to. The length is
// that of the packet on the wire, from its Ethernet header on.
func (h *headers) identify(f Frame, i, to, length int) (id Identity) {
	from := h.payload
	if f.Segment != 0 {
		from += i * f.Segment
	} else {
		to = min(to, h.end)
	}
	from = min(from, len(f.Bytes))
	to = max(from, min(to, len(f.Bytes)))
	var room [256]byte
	head := append(room[:0], f.Bytes[min(h.begin(), len(f.Bytes)):min(h.payload, len(f.Bytes))]...)
	ttl := h.blank(head, i, f, length)
	body := f.Bytes[from:to]
	id.Head = maphash.Bytes(seed, head)
	id.Body = maphash.Bytes(seed, body) ^ uint64(len(body))
	id.Name = mix(id.Head, maphash.Bytes(seed, body[:min(h.named(), len(body))]))
	id.Digest = mix(id.Name, id.Body+uint64(ttl))
	return id
}

// mix makes one hash of two.
func mix(a, b uint64) uint64 {
	return (a^a>>29)*0x9e3779b97f4a7c15 + (b^b>>31)*0xbf58476d1ce4e5b9
}

// begin is where the headers of the identity begin: behind Ethernet addresses, and in front of IP
// behind VLAN tags as well, which may be beside the bytes on one side of the device.
func (h *headers) begin() int { return max(12, h.network-2) }

// blank makes the headers in front of packet i alike on both sides of the device. They begin at
// begin. It returns the hop limit, which belongs to the digest only.
func (h *headers) blank(head []byte, i int, f Frame, length int) (hops byte) {
	begin := h.begin()
	if h.network == 0 {
		return 0
	}
	p := head[h.network-begin:]
	if h.key.EtherType == etherIPv4 {
		hops = p[ipv4TTL]
		p[ipv4TTL] = 0
		p[1] &^= 3
		binary.BigEndian.PutUint16(p[ipv4Checksum:], 0)
		if f.Segment != 0 {
			binary.BigEndian.PutUint16(p[2:], uint16(length-h.network))
			binary.BigEndian.PutUint16(p[ipv4ID:], binary.BigEndian.Uint16(p[ipv4ID:])+uint16(i))
		}
	} else {
		hops = p[7]
		p[7] = 0
		p[1] &^= 0x30
		if f.Segment != 0 {
			binary.BigEndian.PutUint16(p[4:], uint16(length-h.network-ipv6Len))
		}
	}
	if h.transport == 0 {
		return hops
	}
	t := head[h.transport-begin:]
	if h.key.Protocol == protocolTCP {
		t[tcpFlags] &^= lastFlags
		binary.BigEndian.PutUint16(t[tcpChecksum:], 0)
		binary.BigEndian.PutUint32(t[tcpSequence:], binary.BigEndian.Uint32(t[tcpSequence:])+uint32(i*f.Segment))
		return hops
	}
	binary.BigEndian.PutUint16(t[udpChecksum:], 0)
	if f.Segment != 0 {
		binary.BigEndian.PutUint16(t[4:], uint16(length-h.transport))
	}
	return hops
}
