package frame_test

import (
	"errors"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// Ethernet bytes of the frames that TestInspectMalformed damages.
const (
	ip4    = frame.HeaderLen + 14
	tcp4At = ip4 + 20
	tcp6At = ip4 + 40
)

// header is a hook that changes the virtio header.
func header(change func(*frame.Header)) func(frame.Frame) {
	return func(f frame.Frame) {
		h := f.Header()
		change(&h)
		f.SetHeader(h)
	}
}

// set is a hook that overwrites bytes.
func set(at int, bytes ...byte) func(frame.Frame) {
	return func(f frame.Frame) { copy(f[at:], bytes) }
}

// both is a hook of two hooks.
func both(a, b func(frame.Frame)) func(frame.Frame) {
	return func(f frame.Frame) { a(f); b(f) }
}

// chain sets a chain of one extension header that is n times 8 bytes longer
// than its least.
func chain(s super, n int) super {
	s.ipv6 = []extension{padded(destinations, 0)}
	s.ipv6[0].body = make([]byte, 6+8*n)
	return s
}

// damage is one thing that is wrong with a super-frame, and what Inspect says of it.
type damage struct {
	super  super
	mutate func(frame.Frame)
	want   error
}

// damages lists, by name, changes that make a super-frame malformed.
func damages() map[string]damage {
	v4 := super{family: 4, protocol: tcp, payload: 3000, gso: 1000}
	v6 := super{family: 6, protocol: tcp, payload: 3000, gso: 1000}
	dgram := super{family: 4, protocol: udp, payload: 3000, gso: 1000}
	hop := v6
	hop.ipv6 = []extension{padded(hopByHop, 0)}
	frag := v6
	frag.ipv6 = []extension{{fragment, make([]byte, 6)}}

	return map[string]damage{
		"UFO":                    {dgram, header(func(h *frame.Header) { h.GSOType = 3 }), frame.ErrUnsupported},
		"tunnel":                 {v4, header(func(h *frame.Header) { h.GSOType |= 0x20 }), frame.ErrUnsupported},
		"ECN alone":              {v4, header(func(h *frame.Header) { h.GSOType = frame.GSOECN }), frame.ErrGSOType},
		"ECN on UDP":             {dgram, header(func(h *frame.Header) { h.GSOType |= frame.GSOECN }), frame.ErrGSOType},
		"unnamed bit":            {v4, header(func(h *frame.Header) { h.GSOType |= 0x10 }), frame.ErrGSOType},
		"TCPv6 on IPv4":          {v4, header(func(h *frame.Header) { h.GSOType = frame.GSOTCPv6 }), frame.ErrGSOType},
		"TCPv4 on IPv6":          {v6, header(func(h *frame.Header) { h.GSOType = frame.GSOTCPv4 }), frame.ErrGSOType},
		"TCP on UDP":             {dgram, header(func(h *frame.Header) { h.GSOType = frame.GSOTCPv4 }), frame.ErrGSOType},
		"UDP on TCP":             {v4, header(func(h *frame.Header) { h.GSOType = frame.GSOUDPL4 }), frame.ErrGSOType},
		"ARP":                    {v4, set(frame.HeaderLen+12, 0x08, 0x06), frame.ErrUnsupported},
		"no partial checksum":    {v4, header(func(h *frame.Header) { h.Flags = 0 }), frame.ErrNoChecksum},
		"only data valid":        {v4, header(func(h *frame.Header) { h.Flags = 2 }), frame.ErrNoChecksum},
		"size 0":                 {v4, header(func(h *frame.Header) { h.GSOSize = 0 }), frame.ErrGSOSize},
		"size by fragments":      {v4, header(func(h *frame.Header) { h.GSOSize = 0xffff }), frame.ErrGSOSize},
		"checksum starts early":  {v4, header(func(h *frame.Header) { h.CsumStart-- }), frame.ErrChecksum},
		"checksum starts late":   {v4, header(func(h *frame.Header) { h.CsumStart++ }), frame.ErrChecksum},
		"checksum starts at end": {v4, header(func(h *frame.Header) { h.CsumStart = 0xffff }), frame.ErrChecksum},
		"UDP offset in TCP":      {v4, header(func(h *frame.Header) { h.CsumOffset = 6 }), frame.ErrChecksum},
		"TCP offset in UDP":      {dgram, header(func(h *frame.Header) { h.CsumOffset = 16 }), frame.ErrChecksum},
		"IPv4 version":           {v4, set(ip4, 0x65), frame.ErrNetwork},
		"IPv4 header too short":  {v4, set(ip4, 0x44), frame.ErrNetwork},
		"IPv4 length too small":  {v4, set(ip4+2, 0x0b, 0xdf), frame.ErrLength}, // 3040 is right
		"IPv4 length too large":  {v4, set(ip4+2, 0x0b, 0xe1), frame.ErrLength},
		"IPv4 length 0":          {v4, set(ip4+2, 0, 0), frame.ErrLength}, // as in "BIG TCP"
		"IPv4 first fragment":    {v4, set(ip4+6, 0x20, 0), frame.ErrFragment},
		"IPv4 last fragment":     {v4, set(ip4+6, 0, 1), frame.ErrFragment},
		"IPv6 version":           {v6, set(ip4, 0x45), frame.ErrNetwork},
		"IPv6 length too small":  {v6, set(ip4+4, 0x0b, 0xcb), frame.ErrLength}, // 3020 is right
		"IPv6 length too large":  {v6, set(ip4+4, 0x0b, 0xcd), frame.ErrLength},
		"IPv6 length 0":          {v6, set(ip4+4, 0, 0), frame.ErrLength},
		"IPv6 fragment":          {frag, nil, frame.ErrFragment},
		"extension too long":     {hop, both(set(tcp6At+1, 0xff), set(tcp6At+2048+12, 0)), frame.ErrHeaders}, // ends in the payload
		"extension past the end": {hop, set(tcp6At, 60, 0xff), frame.ErrNetwork},                             // its next one does
		"extensions beyond 512":  {chain(v6, 60), nil, frame.ErrHeaders},                                     // 10+14+40+488+20
		"TCP offset too small":   {v4, set(tcp4At+12, 0x40), frame.ErrTransport},
		"UDP length too small":   {dgram, set(tcp4At+4, 0x0b, 0xbf), frame.ErrLength}, // 3008 is right
		"UDP length too large":   {dgram, set(tcp4At+4, 0x0b, 0xc1), frame.ErrLength},
		"UDP length 0":           {dgram, set(tcp4At+4, 0, 0), frame.ErrLength},
	}
}

// TestInspectMalformed damages one thing at a time in frames that are right otherwise.
func TestInspectMalformed(t *testing.T) {
	for name, test := range damages() {
		t.Run(name, func(t *testing.T) {
			test.super.mutate = test.mutate
			l, err := frame.Inspect(test.super.build())
			if err != test.want {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if l != (frame.Layout{}) {
				t.Errorf("a layout came with the error: %+v", l)
			}
		})
	}
}

// TestInspectLength holds the checks that need another length of the frame.
func TestInspectLength(t *testing.T) {
	v4 := super{family: 4, protocol: tcp, payload: 3000, gso: 1000}.build()
	noPayload := super{family: 4, protocol: tcp, gso: 1000}
	headerOnly := noPayload.build()
	headerOnly[ip4] = 0x4f // IPv4 header of 60 bytes in a packet of 40
	noRoom := noPayload.build()
	noRoom[tcp4At+12] = 0xf0 // TCP header of 60 bytes, 20 there

	tests := map[string]struct {
		frame frame.Frame
		want  error
	}{
		"nothing":               {nil, frame.ErrUnsupported},
		"virtio header alone":   {plain(0, 0)[:frame.HeaderLen], frame.ErrRunt},
		"13 bytes":              {plain(0, 0)[:frame.HeaderLen+13], frame.ErrRunt},
		"one byte too long":     {plain(0, frame.MaxLen-frame.HeaderLen-14+1), frame.ErrTooLong},
		"trailing byte":         {append(v4.Clone(), 0), frame.ErrLength},
		"last byte gone":        {v4[:len(v4)-1], frame.ErrLength},
		"IPv4 header too long":  {headerOnly, frame.ErrNetwork},
		"TCP header too long":   {noRoom, frame.ErrTransport},
		"headers of 512 fit":    {chain(super{family: 6, protocol: tcp, options: make([]byte, 12), payload: 9, gso: 5}, 51).build(), nil},
		"headers of 516 do not": {chain(super{family: 6, protocol: tcp, options: make([]byte, 16), payload: 9, gso: 5}, 51).build(), frame.ErrHeaders},
		"no payload":            {noPayload.build(), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := frame.Inspect(test.frame); !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}
