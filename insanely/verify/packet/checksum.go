package packet

import "encoding/binary"

// sum adds the 16-bit words of the bytes to a sum (RFC 1071).
func sum(b []byte, s uint64) uint64 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

// fold makes 16 bits of a sum.
func fold(s uint64) uint16 {
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// broken reports whether a checksum of the packet is neither right nor left to be finished.
func (h *headers) broken(b []byte) bool {
	if h.key.EtherType == etherIPv4 && fold(sum(b[h.network:h.header()], 0)) != 0xffff {
		return true
	}
	if h.fragment || h.end < h.payload {
		return false
	}
	switch {
	case h.transport != 0:
		return h.brokenTransport(b)
	case h.key.EtherType == etherIPv4 && h.key.Protocol == 1: // ICMP
		return fold(sum(b[h.payload:h.end], 0)) != 0xffff
	case h.key.Protocol == protocolICMPv6:
		return fold(sum(b[h.payload:h.end], h.pseudo(b, h.payload))) != 0xffff
	}
	return false
}

// header returns the end of an IPv4 header.
func (h *headers) header() int {
	if h.transport != 0 {
		return h.transport
	}
	return h.payload
}

// brokenTransport is broken for the checksum of TCP or UDP.
func (h *headers) brokenTransport(b []byte) bool {
	at := h.transport + tcpChecksum
	if h.key.Protocol == protocolUDP {
		at = h.transport + udpChecksum
	}
	is := binary.BigEndian.Uint16(b[at:])
	if is == 0 && h.key.Protocol == protocolUDP {
		return false // there is none
	}
	pseudo := h.pseudo(b, h.transport)
	return is != fold(pseudo) && fold(sum(b[h.transport:h.end], pseudo)) != 0xffff
}

// pseudo is the sum of the pseudo header of what is inside from a place on.
func (h *headers) pseudo(b []byte, from int) uint64 {
	s := uint64(h.key.Protocol) + uint64(h.end-from)
	if h.key.EtherType == etherIPv4 {
		return sum(b[h.network+12:h.network+20], s)
	}
	return sum(b[h.network+8:h.network+40], s)
}
