package packet

import (
	"encoding/binary"

	"github.com/seed-39a139a1/insane/policy/match"
)

// Frame is a frame as it was seen.
type Frame struct {
	Bytes   []byte // from the Ethernet header on; may be cut short at the end
	Length  int    // in bytes, of all of it
	Segment int    // bytes of payload in each packet of a super-frame; 0: it is one packet
	Packets int    // that a super-frame is said to have; 0: that is not known
	Tag     uint16 // match.Tagged and the identifier of a VLAN tag beside the bytes; 0: none
}

// Packet is one packet of a frame.
type Packet struct {
	Key    match.Key // what rules look at
	Length uint32    // of its Ethernet frame, with tags
	Identity

	Neighbour bool // a message by which neighbours find each other: ARP, ND, IGMP, MLD
	Group     bool // for a group, or for all
	Capable   bool // ECN-capable
	Congested bool // has the mark CE
	Cut       bool // its end was not seen, so that its digest says nothing
	Broken    bool // a checksum is wrong, or the headers of IP are nonsense
}

// Lengths and places in headers.
const (
	etherLen    = 14
	tagLen      = 4
	ipv4Len     = 20
	ipv6Len     = 40
	tcpLen      = 20
	udpLen      = 8
	tcpFlags    = 13 // in the TCP header
	tcpChecksum = 16
	udpChecksum = 6
)

// Each calls f with every packet of the frame, in their order. ok is false if the frame is a
// super-frame that this package cannot take apart, as that of a tunnel; then f was not called.
func (f Frame) Each(with func(Packet)) (ok bool) {
	h, known := parse(f.Bytes)
	tag := 0
	if f.Tag != 0 {
		tag = tagLen
		h.key.VLAN = f.Tag
	}
	if f.Segment == 0 {
		p := h.packet(f, 0, len(f.Bytes), f.Length)
		p.Length = uint32(f.Length + tag)
		p.Broken = len(f.Bytes) >= f.Length && (known && h.broken(f.Bytes) || !known && h.isIP())
		with(p)
		return true
	}
	payload := f.Length - h.payload
	count := (payload + f.Segment - 1) / f.Segment
	if !known || h.transport == 0 || payload <= 0 || f.Packets != 0 && f.Packets != count {
		return false
	}
	for i := range count {
		from := h.payload + i*f.Segment
		length := min(f.Segment, f.Length-from)
		p := h.packet(f, i, min(len(f.Bytes), from+length), h.payload+length)
		p.Length = uint32(h.payload + length + tag)
		if i < count-1 {
			p.Key.Flags &^= match.FIN
		}
		with(p)
	}
	return true
}

// isIP reports whether the Ethernet type says that it is an IP packet.
func (h *headers) isIP() bool { return h.key.EtherType == etherIPv4 || h.key.EtherType == etherIPv6 }

// packet returns packet i of a frame, which is all of it if it is no super-frame. Its payload
// ends at to, and its length is as on the wire.
func (h *headers) packet(f Frame, i, to, length int) Packet {
	p := Packet{Key: h.key, Neighbour: h.neighbour, Group: len(f.Bytes) > 0 && f.Bytes[0]&1 != 0}
	if h.traffic >= 0 {
		p.Capable, p.Congested = h.class(f.Bytes)&3 != 0, h.class(f.Bytes)&3 == 3
	}
	p.Identity = h.identify(f, i, to, length)
	end := length // of the packet in the frame
	if f.Segment != 0 {
		end += i * f.Segment
	}
	p.Cut = end > len(f.Bytes)
	return p
}

// class returns the traffic class of an IP packet.
func (h *headers) class(b []byte) byte {
	if h.key.EtherType == etherIPv4 {
		return b[h.traffic]
	}
	return byte(binary.BigEndian.Uint16(b[h.traffic:]) >> 4)
}
