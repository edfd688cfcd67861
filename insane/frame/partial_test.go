package frame_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/seed-39a139a1/insane/insane/frame"
)

// verified makes f a super-frame with verified checksums: in the field of TCP
// there is anything, in that of UDP the checksum of the first datagram.
func verified(t testing.TB, f frame.Frame) frame.Frame {
	t.Helper()
	check := dissect(f).check
	first := []byte{0xde, 0xad}
	if f.Header().GSOType == frame.GSOUDPL4 {
		first = packetsOf(t, f)[0][check:][:2]
	}
	v := f.Clone()
	copy(v[frame.HeaderLen+check:], first)
	return pretend(v)
}

// pretend makes the virtio header of f that of verified checksums.
func pretend(f frame.Frame) frame.Frame {
	h := f.Header()
	h.Flags, h.CsumStart, h.CsumOffset = frame.DataValid, 0, 0
	f.SetHeader(h)
	return f
}

// TestMakePartial holds that super-frames with verified checksums become what
// they are with partial ones. TestKernelAgrees shows what the kernel makes of those.
func TestMakePartial(t *testing.T) {
	all := supers()
	all["tcp4 record route"] = super{family: 4, protocol: tcp, ipv4: []byte{1, 7, 7, 4, 0, 0, 0, 0}, payload: 500, gso: 100}
	all["tcp4 after the end"] = super{family: 4, protocol: tcp, ipv4: []byte{1, 0, 1, 131}, payload: 500, gso: 100}
	all["tcp6 old route"] = super{family: 6, protocol: tcp, ipv6: []extension{oldRoute(3, 1)}, payload: 500, gso: 100}
	all["tcp6 unknown, used up"] = super{family: 6, protocol: tcp, ipv6: []extension{{routing, []byte{3, 0, 0, 0, 0, 0}}}, payload: 500, gso: 100}
	all["tcp6 options"] = super{family: 6, protocol: tcp, ipv6: []extension{{destinations, []byte{0, 4, 1, 0xc9, 0, 0}}}, payload: 500, gso: 100}
	all["udp6 both ways"] = super{family: 6, protocol: udp, ipv6: []extension{segments(2, 1), homeAddress()}, payload: 500, gso: 100}
	for name, s := range all {
		t.Run(name, func(t *testing.T) {
			want := s.build()
			got := verified(t, want)
			frame.MakePartial(got)
			if !bytes.Equal(want, got) {
				n := min(160, len(want))
				t.Errorf("(-want +got):\n%s", cmp.Diff(want[:n], got[:n]))
			}
			if _, err := frame.Inspect(got); err != nil {
				t.Error(err)
			}
		})
	}
}

// oldRoute is the routing header of type 0.
func oldRoute(n, left byte) extension {
	x := segments(n, left)
	x.body[0], x.body[2] = 0, 0
	return x
}

// TestMakePartialByHand has sums worked out on paper, in case builder and oracle
// err together.
func TestMakePartialByHand(t *testing.T) {
	for name, test := range map[string]struct {
		super super
		at    int
		want  uint16
	}{
		// 0a09 0001 0a09 0002, protocol 6, 20 + 300 bytes
		"tcp4": {super{family: 4, protocol: tcp, payload: 300, gso: 100}, tcp4At + 16, 0x1412 + 3 + 6 + 320},
		// fd00 0009 0001, fd00 0009 0002, protocol 17, 8 + 300 bytes; 1 fa00 is fa01
		"udp6": {super{family: 6, protocol: udp, payload: 300, gso: 100}, tcp6At + 6, 0xfa01 + 18 + 3 + 17 + 308},
		// The same with fd00 0009 0500 in place of fd00 0009 0002; 1 005a is 5b
		"routed": {super{family: 6, protocol: tcp, ipv6: []extension{segments(2, 1)}, payload: 300, gso: 100}, tcp6At + 40 + 16, 0x5b},
	} {
		t.Run(name, func(t *testing.T) {
			f := verified(t, test.super.build())
			frame.MakePartial(f)
			if got := binary.BigEndian.Uint16(f[test.at:]); got != test.want {
				t.Errorf("partial checksum is %#04x, want %#04x", got, test.want)
			}
		})
	}
}

// TestMakePartialLeaves holds what must stay as it is.
func TestMakePartialLeaves(t *testing.T) {
	v4 := super{family: 4, protocol: tcp, payload: 3000, gso: 1000}
	v6 := super{family: 6, protocol: tcp, payload: 3000, gso: 1000}
	dgram := super{family: 4, protocol: udp, payload: 3000, gso: 1000}
	with := func(flags uint8) frame.Frame {
		f := v4.build()
		header(func(h *frame.Header) { h.Flags = flags })(f)
		return f
	}
	options := func(p ...byte) frame.Frame { s := v4; s.ipv4 = p; return pretend(s.build()) }
	extended := func(x ...extension) frame.Frame { s := v6; s.ipv6 = x; return pretend(s.build()) }
	udpCheck := func(sum ...byte) frame.Frame {
		f := verified(t, dgram.build())
		copy(f[tcp4At+6:], sum)
		return f
	}
	packet := plain(typeIPv4, 1500)
	packet[0] = frame.DataValid

	tests := map[string]frame.Frame{
		"plain frame":         packet,
		"neither flag":        with(0),
		"both flags":          with(frame.NeedsCsum | frame.DataValid),
		"partial":             with(frame.NeedsCsum),
		"UDP, no checksum":    udpCheck(0, 0), // packets inside a tunnel look like this
		"UDP, other checksum": udpCheck(0x12, 0x34),
		"loose source route":  options(131, 7, 4, 10, 9, 0, 3, 0),
		"strict source route": options(1, 137, 7, 8, 10, 9, 0, 3),
		"IPv4 option of 0":    options(7, 0, 0, 0),
		"IPv4 option cut":     options(1, 1, 1, 7),
		"unknown routing":     extended(extension{routing, append([]byte{3, 1}, make([]byte, 20)...)}),
		"route to nowhere":    extended(extension{routing, []byte{0, 1, 0, 0, 0, 0}}),
		"segment to nowhere":  extended(extension{routing, []byte{4, 1, 0, 0, 0, 0}}),
		"half an address":     extended(extension{routing, append([]byte{0, 1}, make([]byte, 28)...)}),
		"home address":        extended(extension{destinations, append([]byte{1, 0, 0xc9, 16}, make([]byte, 18)...)}),
		"IPv6 option cut":     extended(extension{destinations, []byte{1, 3, 0, 0, 0, 5}}),
		"unknown, then known": extended(extension{routing, append([]byte{3, 1}, make([]byte, 20)...)}, segments(2, 1)),
	}
	for name, d := range damages() {
		if !errors.Is(d.want, frame.ErrChecksum) && !errors.Is(d.want, frame.ErrNoChecksum) {
			d.super.mutate = d.mutate
			tests[name] = pretend(d.super.build())
		}
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			before := f.Clone()
			frame.MakePartial(f)
			if !bytes.Equal(before, f) {
				n := min(128, len(f))
				t.Errorf("(-before +after):\n%s", cmp.Diff(before[:n], f[:n]))
			}
			_, err := frame.Inspect(f)
			if good := f[0]&frame.NeedsCsum != 0 || f[1] == frame.GSONone; good != (err == nil) {
				t.Errorf("Inspect says %v", err)
			}
		})
	}
}

// TestMakePartialCutShort cuts super-frames at every byte of their headers.
func TestMakePartialCutShort(t *testing.T) {
	for name, s := range supers() {
		whole := verified(t, s.build())
		for n := range len(whole) - s.payload {
			f := whole[:n:n].Clone()
			frame.MakePartial(f)
			if !bytes.Equal(f, whole[:n]) {
				t.Errorf("%s: %d bytes were changed", name, n)
			}
		}
	}
}
