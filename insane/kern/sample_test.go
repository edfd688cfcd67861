package kern

import (
	"encoding/binary"
	"math/rand/v2"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// sample describes a frame of TCP or UDP, which is a super-frame if size is not 0.
type sample struct {
	what     string
	family   int // 4 or 6
	protocol byte
	options  int // bytes of TCP options, or of IPv4 options under UDP; a multiple of 4
	payload  int
	size     int      // bytes of payload in each packet but the last
	message  *message // of neighbours, in place of all of the above but size
	mutate   func(f frame.Frame)
}

// build makes the frame, which comes from the link-layer address of a number.
func (s sample) build(n int) frame.Frame {
	options := make([]byte, s.options)
	for i := range options {
		options[i] = 1 // no operation, in IPv4 and in TCP
	}
	var etherType uint16 = unix.ETH_P_IP
	var body []byte
	if s.message != nil {
		etherType, body = s.message.etherType, s.message.body
	} else if s.family == 6 {
		etherType, body = unix.ETH_P_IPV6, ipv6(plain6, mate6, s.protocol, s.transport(options))
	} else if s.protocol == unix.IPPROTO_UDP {
		body = ipv4(plain4, mate4, s.protocol, options, s.transport(nil))
	} else {
		body = ipv4(plain4, mate4, s.protocol, nil, s.transport(options))
	}
	f := make(frame.Frame, frame.HeaderLen)
	f = append(append(f, 2, 0x69, 0x6e, 0x73, 0xff, 0xfe), number(n)...)
	f = append(binary.BigEndian.AppendUint16(f, etherType), body...)
	f.SetHeader(s.virtio(len(body)))
	if s.mutate != nil {
		s.mutate(f)
	}
	return f
}

// transport is a TCP segment or a UDP datagram.
func (s sample) transport(options []byte) []byte {
	b := []byte{0, 9, 0, 9, 0, 0, 0, 0}
	if s.protocol == unix.IPPROTO_UDP {
		binary.BigEndian.PutUint16(b[4:], uint16(8+s.payload))
	} else {
		b = append(b, 0, 0, 0, 0, byte(20+len(options))<<2, 0x10, 0, 0, 0, 0, 0, 0)
		b = append(b, options...)
	}
	return append(b, make([]byte, s.payload)...)
}

// virtio is the header of a frame of so many bytes behind its Ethernet header.
func (s sample) virtio(body int) frame.Header {
	if s.size == 0 {
		return frame.Header{}
	}
	h := frame.Header{Flags: frame.NeedsCsum, GSOType: frame.GSOUDPL4, GSOSize: uint16(s.size),
		CsumStart: uint16(14 + body - s.payload - 8), CsumOffset: 6}
	if s.protocol == unix.IPPROTO_TCP {
		h.GSOType = frame.GSOTCPv4
		if s.family == 6 {
			h.GSOType = frame.GSOTCPv6
		}
		h.CsumStart, h.CsumOffset = uint16(14+body-s.payload-s.options-20), 16
	}
	h.HdrLen = uint16(14 + body - s.payload)
	return h
}

// segments returns gso_segs of the frame, its number of packets.
func (s sample) segments() uint32 {
	if s.size == 0 {
		return 0
	}
	return uint32((s.payload + s.size - 1) / s.size)
}

// anySample returns a random frame with at most that many bytes of payload.
func anySample(r *rand.Rand, payload int) sample {
	s := sample{what: "any", family: 4 + 2*r.IntN(2), protocol: unix.IPPROTO_TCP,
		options: 4 * r.IntN(11), payload: 1 + r.IntN(payload)}
	if r.IntN(2) == 0 {
		s.protocol = unix.IPPROTO_UDP
	}
	if s.family == 6 && s.protocol == unix.IPPROTO_UDP {
		s.options = 0
	}
	if r.IntN(2) == 0 {
		s.size = 1 + s.payload/(1+r.IntN(8))
	}
	return s
}

// anyOrMessage is anySample, and now and then a message of neighbours.
func anyOrMessage(r *rand.Rand, payload int) sample {
	s := anySample(r, payload)
	if r.IntN(8) == 0 {
		all := messages()
		s.message, s.size = &all[r.IntN(len(all))], 0
	}
	return s
}

// outcome is the outcome of a frame in the fast path. The values are those of direction.h.
type outcome int

const (
	undecided outcome = iota
	relayed
	dropped
	spared // relayed without number and verdict
)

func (f outcome) String() string { return []string{"undecided", "relayed", "dropped", "spared"}[f] }

// judged reports whether a frame of this outcome has taken numbers.
func (f outcome) judged() bool { return f == relayed || f == dropped }

// numbers returns how many numbers the kernel takes for a frame of this outcome.
func (f outcome) numbers(layout frame.Layout) uint64 {
	if f.judged() {
		return uint64(layout.Packets())
	}
	return 0
}

// outcomeOf returns the outcome that packages frame and policy give a frame whose first
// packet has number next, while neighbours are spared. It is undecided if the packets have
// different verdicts or the frame is malformed.
func outcomeOf(p *policy.Program, now policy.Time, next uint64, f frame.Frame) (outcome, frame.Layout) {
	layout, err := frame.Inspect(f)
	if err != nil {
		return undecided, layout
	}
	if frame.Neighbour(f) {
		return spared, layout
	}
	first := p.Decide(now, next)
	for i := range layout.Packets() {
		if p.Decide(now, next+uint64(i)) != first {
			return undecided, layout
		}
	}
	if first.Lost() {
		return dropped, layout
	}
	return relayed, layout
}
