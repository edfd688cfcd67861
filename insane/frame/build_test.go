package frame_test

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// Numbers the builders need; the package under test has its own.
const (
	tcp = 6
	udp = 17

	typeIPv4 = 0x0800
	typeIPv6 = 0x86dd
	typeTag  = 0x8100
	typeSTag = 0x88a8

	fin, psh, ack, urg, ece, cwr = 0x01, 0x08, 0x10, 0x20, 0x40, 0x80

	hopByHop, routing, fragment, destinations = 0, 43, 44, 60
)

var (
	macTo   = []byte{0x02, 0x69, 0x6e, 0x73, 0, 2}
	macFrom = []byte{0x02, 0x69, 0x6e, 0x73, 0, 1}
)

// super describes a super-frame to build. The zero value of a field is the
// plain choice.
type super struct {
	tags     []uint16 // protocol identifiers of VLAN tags, outer first
	family   int      // 4 or 6
	protocol int      // tcp or udp
	ipv4     []byte   // IPv4 options, a multiple of 4 bytes
	ipv6     []extension
	options  []byte // TCP options, a multiple of 4 bytes
	flags    byte   // TCP flags beside ACK; CWR sets the virtio ECN bit too
	accECN   bool   // CWR does not, which means that all packets have it
	id       uint16
	seq      uint32
	payload  int
	gso      int
	mutate   func(f frame.Frame) // last of all
}

// extension is an IPv6 extension header: kind and what follows the two bytes
// of next header and length, 6 bytes modulo 8.
type extension struct {
	kind byte
	body []byte
}

// padded is an extension header of 8·(1+n) bytes that holds one PadN option.
func padded(kind byte, n int) extension {
	body := make([]byte, 6+8*n)
	body[0], body[1] = 1, byte(len(body)-2)
	return extension{kind, body}
}

// homeAddress is the routing header of RFC 6275 §6.4, which makes the
// destination that checksums cover another than the one in the IPv6 header.
func homeAddress() extension {
	body := make([]byte, 22)
	body[0], body[1] = 2, 1 // type 2, one segment left
	copy(body[6:], []byte{0xfd, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 99})
	return extension{routing, body}
}

// segments is the routing header of RFC 8754 §2, for n hops of which left are
// still to come.
func segments(n, left byte) extension {
	body := []byte{4, left, n - 1, 0, 0, 0}
	for hop := range n {
		body = append(body, 0xfd, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 5, hop)
	}
	return extension{routing, body}
}

// build makes the super-frame. Its IP checksum and its partial transport
// checksum agree with the oracle.
func (s super) build() frame.Frame {
	f := make(frame.Frame, frame.HeaderLen, 4096)
	f = append(append(f, macTo...), macFrom...)
	for i, tag := range s.tags {
		f = binary.BigEndian.AppendUint16(f, tag)
		f = binary.BigEndian.AppendUint16(f, uint16(100+i))
	}
	transport := 8 + s.payload
	if s.protocol == tcp {
		transport = 20 + len(s.options) + s.payload
	}
	if s.family == 4 {
		f = s.appendIPv4(f, transport)
	} else {
		f = s.appendIPv6(f, transport)
	}
	start := len(f) - frame.HeaderLen
	if s.protocol == tcp {
		f = s.appendTCP(f)
	} else {
		f = append(f, 0xc0, 0x01, 0x00, 0x35, byte(transport>>8), byte(transport), 0, 0)
	}
	headers := len(f) - frame.HeaderLen
	noise := rand.NewPCG(uint64(s.payload), uint64(s.gso))
	for range s.payload {
		f = append(f, byte(noise.Uint64()))
	}
	f.SetHeader(s.virtio(headers, start))
	repair(f)
	if s.mutate != nil {
		s.mutate(f)
	}
	return f
}

func (s super) virtio(headers, start int) frame.Header {
	h := frame.Header{
		Flags:      frame.NeedsCsum,
		GSOType:    frame.GSOUDPL4,
		HdrLen:     uint16(headers + min(1, s.payload)), // as good as any: a hint
		GSOSize:    uint16(s.gso),
		CsumStart:  uint16(start),
		CsumOffset: 6,
	}
	if s.protocol == tcp {
		h.CsumOffset = 16
		h.GSOType = frame.GSOTCPv4
		if s.family == 6 {
			h.GSOType = frame.GSOTCPv6
		}
		if s.flags&cwr != 0 && !s.accECN {
			h.GSOType |= frame.GSOECN
		}
	}
	return h
}

func (s super) appendIPv4(f frame.Frame, transport int) frame.Frame {
	length := 20 + len(s.ipv4)
	f = binary.BigEndian.AppendUint16(f, typeIPv4)
	f = append(f, byte(0x40+length/4), 0x02)
	f = binary.BigEndian.AppendUint16(f, uint16(length+transport))
	f = binary.BigEndian.AppendUint16(f, s.id)
	f = append(f, 0x40, 0, 64, byte(s.protocol), 0, 0)
	f = append(f, 10, 9, 0, 1, 10, 9, 0, 2)
	return append(f, s.ipv4...)
}

func (s super) appendIPv6(f frame.Frame, transport int) frame.Frame {
	var chain []byte
	first := byte(s.protocol)
	for i := len(s.ipv6) - 1; i >= 0; i-- {
		x := s.ipv6[i]
		chain = append(append([]byte{first, byte((len(x.body)+2)/8 - 1)}, x.body...), chain...)
		first = x.kind
	}
	f = binary.BigEndian.AppendUint16(f, typeIPv6)
	f = append(f, 0x60, 0x2a, 0xbc, 0xde)
	f = binary.BigEndian.AppendUint16(f, uint16(len(chain)+transport))
	f = append(f, first, 64)
	f = append(f, 0xfd, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1)
	f = append(f, 0xfd, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 2)
	return append(f, chain...)
}

func (s super) appendTCP(f frame.Frame) frame.Frame {
	f = append(f, 0xc0, 0x01, 0x01, 0xbb)
	f = binary.BigEndian.AppendUint32(f, s.seq)
	f = append(f, 0x12, 0x34, 0x56, 0x78)
	f = append(f, byte((20+len(s.options))/4)<<4, s.flags|ack, 0x20, 0x00, 0, 0, 0x00, 0x07)
	return append(f, s.options...)
}

// timestamps are the TCP options of every established connection of Linux.
func timestamps() []byte { return []byte{1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4} }

// plain is a frame of one packet without offloads: an Ethernet header of that
// type and n bytes behind it.
func plain(etherType uint16, n int) frame.Frame {
	f := make(frame.Frame, frame.HeaderLen, frame.HeaderLen+14+n)
	f = append(append(f, macTo...), macFrom...)
	f = binary.BigEndian.AppendUint16(f, etherType)
	return append(f, make([]byte, n)...)
}

// supers are the super-frames that every check is done on, by name.
func supers() map[string]super {
	return map[string]super{
		"tcp4":             {family: 4, protocol: tcp, options: timestamps(), payload: 65000, gso: 1448, flags: psh, id: 7, seq: 1e9},
		"tcp4 odd tail":    {family: 4, protocol: tcp, payload: 4*1001 + 333, gso: 1001, flags: fin | psh | cwr | ece},
		"tcp4 exact":       {family: 4, protocol: tcp, payload: 4 * 1460, gso: 1460, flags: psh},
		"tcp4 id wraps":    {family: 4, protocol: tcp, payload: 9000, gso: 1000, id: 0xfffc},
		"tcp4 seq wraps":   {family: 4, protocol: tcp, payload: 9000, gso: 1000, seq: 0xfffff000, flags: urg},
		"tcp4 options":     {family: 4, protocol: tcp, ipv4: []byte{1, 1, 1, 1, 0x94, 4, 0, 0}, options: timestamps(), payload: 5000, gso: 800, flags: cwr},
		"tcp4 tag":         {family: 4, protocol: tcp, tags: []uint16{typeTag}, payload: 5000, gso: 1400, flags: cwr | psh},
		"tcp4 two tags":    {family: 4, protocol: tcp, tags: []uint16{typeSTag, typeTag}, payload: 5000, gso: 1400, flags: fin},
		"tcp4 accurate":    {family: 4, protocol: tcp, payload: 4*1001 + 333, gso: 1001, flags: psh | cwr | ece, accECN: true},
		"tcp4 gso 1":       {family: 4, protocol: tcp, payload: 70, gso: 1, flags: psh | cwr},
		"tcp4 gso 8":       {family: 4, protocol: tcp, payload: 333, gso: 8},
		"tcp4 gso 20":      {family: 4, protocol: tcp, payload: 999, gso: 20, flags: fin},
		"tcp4 gso 64":      {family: 4, protocol: tcp, payload: 999, gso: 64}, // exactly the headers
		"tcp4 gso 63":      {family: 4, protocol: tcp, payload: 999, gso: 63}, // one too few
		"tcp4 gso 30000":   {family: 4, protocol: tcp, payload: 65000, gso: 30000},
		"tcp4 one segment": {family: 4, protocol: tcp, payload: 1000, gso: 1000, flags: psh | cwr},
		"tcp6":             {family: 6, protocol: tcp, options: timestamps(), payload: 64000, gso: 1428, flags: psh | cwr},
		"tcp6 hop-by-hop":  {family: 6, protocol: tcp, ipv6: []extension{padded(hopByHop, 0)}, payload: 5001, gso: 1000},
		"tcp6 chain":       {family: 6, protocol: tcp, ipv6: []extension{padded(hopByHop, 1), padded(destinations, 0), homeAddress(), padded(destinations, 3)}, options: timestamps(), payload: 7001, gso: 1000, flags: psh},
		"tcp6 accurate":    {family: 6, protocol: tcp, payload: 5000, gso: 1000, flags: fin | cwr, accECN: true},
		"tcp6 segments":    {family: 6, protocol: tcp, ipv6: []extension{segments(3, 2)}, payload: 5000, gso: 1000},
		"tcp6 arrived":     {family: 6, protocol: tcp, ipv6: []extension{segments(3, 0)}, payload: 5000, gso: 1000},
		"tcp6 gso 8":       {family: 6, protocol: tcp, payload: 222, gso: 8, flags: fin},
		"tcp6 tag":         {family: 6, protocol: tcp, tags: []uint16{typeTag}, payload: 5000, gso: 1400},
		"udp4":             {family: 4, protocol: udp, payload: 60001, gso: 1472, id: 0xfff0},
		"udp4 gso 1":       {family: 4, protocol: udp, payload: 41, gso: 1},
		"udp4 tag":         {family: 4, protocol: udp, tags: []uint16{typeTag}, payload: 3000, gso: 700},
		"udp6":             {family: 6, protocol: udp, payload: 60001, gso: 1452},
		"udp6 routing":     {family: 6, protocol: udp, ipv6: []extension{homeAddress()}, payload: 5000, gso: 1200},
		"udp6 one segment": {family: 6, protocol: udp, payload: 100, gso: 1000},
	}
}
