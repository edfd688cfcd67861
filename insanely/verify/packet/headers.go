package packet

import (
	"encoding/binary"

	"github.com/seed-39a139a1/insane/policy/match"
)

// Numbers of protocols.
const (
	etherIPv4    = 0x0800
	etherARP     = 0x0806
	etherIPv6    = 0x86dd
	etherVLAN    = 0x8100
	etherService = 0x88a8
	etherTypes   = 0x0600 // a smaller number is a length

	protocolIGMP   = 2
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
	protocolSCTP   = 132
)

// headers says where the headers of a frame are. Places are in bytes from its beginning.
type headers struct {
	key       match.Key
	network   int  // the IP header; 0: there is none
	traffic   int  // the traffic class in it; −1: there is none
	transport int  // the TCP or UDP header; 0: there is none, or it is cut short
	payload   int  // behind all headers
	end       int  // of the IP packet; what follows is padding
	neighbour bool // ARP, ND, IGMP or MLD
	fragment  bool
}

// parse reads the headers. ok is false if they are no headers that it knows whole.
func parse(b []byte) (h headers, ok bool) {
	h.traffic, h.end, h.payload = -1, len(b), len(b)
	if len(b) < etherLen {
		return h, false
	}
	h.key.DestinationMAC, h.key.SourceMAC = [6]byte(b), [6]byte(b[6:])
	at, kind := etherLen, binary.BigEndian.Uint16(b[12:])
	for tags := 0; tags < 2 && (kind == etherVLAN || kind == etherService) && len(b) >= at+tagLen; tags++ {
		if tags == 0 {
			h.key.VLAN = match.Tagged | binary.BigEndian.Uint16(b[at:])&0xfff
		}
		kind = binary.BigEndian.Uint16(b[at+2:])
		at += tagLen
	}
	if kind >= etherTypes {
		h.key.EtherType = kind
	}
	h.payload = at
	switch kind {
	case etherIPv4:
		return h, h.ipv4(b, at)
	case etherIPv6:
		return h, h.ipv6(b, at)
	case etherARP:
		h.neighbour = true
		h.arp(b[at:])
	}
	return h, false
}

func (h *headers) arp(p []byte) {
	if len(p) < 28 || binary.BigEndian.Uint32(p) != 1<<16|etherIPv4 || p[4] != 6 || p[5] != 4 {
		return
	}
	h.key.Has = match.HasIPv4
	copy(h.key.Source[:], p[14:18])
	copy(h.key.Destination[:], p[24:28])
}

func (h *headers) ipv4(b []byte, at int) bool {
	if len(b) < at+ipv4Len || b[at]>>4 != 4 {
		return false
	}
	p := b[at:]
	length := int(p[0]&0xf) * 4
	if length < ipv4Len || length > len(p) {
		return false
	}
	h.network, h.traffic, h.payload = at, at+1, at+length
	if total := int(binary.BigEndian.Uint16(p[2:])); total >= length {
		h.end = min(len(b), at+total)
	}
	h.key.Has = match.HasIPv4 | match.HasDSCP | match.HasProtocol
	copy(h.key.Source[:], p[12:16])
	copy(h.key.Destination[:], p[16:20])
	h.key.DSCP, h.key.Protocol = p[1]>>2, p[9]
	h.neighbour = p[9] == protocolIGMP
	place := binary.BigEndian.Uint16(p[6:])
	h.fragment = place&0x3fff != 0
	if place&0x1fff != 0 {
		return true
	}
	return h.inside(b)
}

func (h *headers) ipv6(b []byte, at int) bool {
	if len(b) < at+ipv6Len || b[at]>>4 != 6 {
		return false
	}
	p := b[at:]
	h.network, h.traffic, h.payload = at, at, at+ipv6Len
	if total := int(binary.BigEndian.Uint16(p[4:])); total > 0 {
		h.end = min(len(b), at+ipv6Len+total)
	}
	h.key.Has = match.HasIPv6 | match.HasDSCP
	copy(h.key.Source[:], p[8:24])
	copy(h.key.Destination[:], p[24:40])
	h.key.DSCP = uint8(binary.BigEndian.Uint16(p) >> 6 & 0x3f)
	return h.extensions(b, p[6], p[7])
}

// extensions goes through the extension headers of IPv6, at most eight.
func (h *headers) extensions(b []byte, next, hops byte) bool {
	for range 9 {
		rest := b[h.payload:]
		length := 8
		switch next {
		case 0, 43, 60: // hop-by-hop options, routing, destination options
			if len(rest) < 2 {
				return false
			}
			length = (int(rest[1]) + 1) * 8
		case 44: // fragment
			h.fragment = true
		default:
			h.key.Has, h.key.Protocol = h.key.Has|match.HasProtocol, next
			ok := h.inside(b)
			h.neighbours(b, hops)
			return ok
		}
		if len(rest) < length {
			return false
		}
		if next == 44 && binary.BigEndian.Uint16(rest[2:])>>3 != 0 {
			h.key.Has, h.key.Protocol = h.key.Has|match.HasProtocol, rest[0]
			h.payload += length
			return true
		}
		next = rest[0]
		h.payload += length
	}
	return false
}

// neighbours knows neighbour discovery and MLD by the type of the message and its hop limit.
func (h *headers) neighbours(b []byte, hops byte) {
	if h.key.Protocol != protocolICMPv6 || len(b) <= h.payload {
		return
	}
	switch kind := b[h.payload]; {
	case kind >= 133 && kind <= 137:
		h.key.Has |= match.IsND
		h.neighbour = hops == 255
	case kind >= 130 && kind <= 132, kind == 143:
		h.neighbour = hops == 1
	}
}

// inside reads what an IP packet has inside, at payload, which it moves behind the header.
func (h *headers) inside(b []byte) bool {
	t := b[h.payload:]
	switch h.key.Protocol {
	case protocolTCP, protocolUDP, protocolSCTP:
	default:
		return true
	}
	if len(t) < 4 {
		return false
	}
	h.key.Has |= match.HasPorts
	h.key.SourcePort, h.key.DestinationPort = binary.BigEndian.Uint16(t), binary.BigEndian.Uint16(t[2:])
	length := udpLen
	switch h.key.Protocol {
	case protocolSCTP:
		return true
	case protocolTCP:
		if len(t) > tcpFlags {
			h.key.Flags = match.Flags(t[tcpFlags]) & match.KnownFlags
		}
		if len(t) < tcpLen {
			return false
		}
		if length = int(t[12]>>4) * 4; length < tcpLen {
			return false
		}
	}
	if len(t) < length || h.fragment {
		return h.fragment
	}
	h.transport = h.payload
	h.payload += length
	return true
}
