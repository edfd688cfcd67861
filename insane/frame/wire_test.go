package frame_test

import (
	"bytes"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

var (
	wireTCP = super{family: 4, protocol: tcp, payload: 4*1001 + 333, gso: 1001}
	wireUDP = super{family: 6, protocol: udp, payload: 2500, gso: 1000}
)

// The packets that a Wire shows are those that Split makes, one by one, with finished checksums.
func TestWire(t *testing.T) {
	var w frame.Wire
	for name, s := range map[string]super{"TCP over IPv4": wireTCP, "UDP over IPv6": wireUDP} {
		f := s.build()
		l, err := frame.Inspect(f)
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(f)
		n, err := w.Open(f)
		if n != l.Packets() || err != nil {
			t.Fatalf("%s: %d packets, %v", name, n, err)
		}
		for i := range n {
			relay := make([]bool, n)
			relay[i] = true
			var splitter frame.Splitter
			want := splitter.Split(frame.Frame(bytes.Clone(f)), l, relay, nil)[0]
			frame.Flip(want, []uint64{0, 0}) // finishes the checksum
			length, got := w.Packet(i, 1<<18)
			if length != len(want)-frame.HeaderLen || !bytes.Equal(got, want[frame.HeaderLen:]) {
				t.Errorf("%s: packet %d is\n%x, not\n%x", name, i, got, want[frame.HeaderLen:])
			}
			got = bytes.Clone(got)
			if length, short := w.Packet(i, 20); length != len(got) || !bytes.Equal(short, want[frame.HeaderLen:][:20]) {
				t.Errorf("%s: packet %d cut off is %x", name, i, short)
			}
		}
		if !bytes.Equal(f, before) {
			t.Errorf("%s: the frame was changed", name)
		}
	}
}

// A Wire finishes the checksum of a plain packet, and shows what nobody can inspect as it is.
func TestWirePlain(t *testing.T) {
	var w frame.Wire
	f := wireUDP.build()
	l, err := frame.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	var splitter frame.Splitter
	plain := splitter.Cut(f, l, 0, 1)
	n, err := w.Open(plain)
	_, got := w.Packet(0, 1<<18)
	want := plain.Clone()
	frame.Flip(want, []uint64{0, 0})
	if n != 1 || err != nil || !bytes.Equal(got, want[frame.HeaderLen:]) || bytes.Equal(got, plain[frame.HeaderLen:]) {
		t.Errorf("%d packets, %v:\n%x, not\n%x", n, err, got, want[frame.HeaderLen:])
	}
	for _, odd := range []frame.Frame{nil, make(frame.Frame, 5), make(frame.Frame, frame.HeaderLen), make(frame.Frame, frame.HeaderLen+3)} {
		n, err := w.Open(odd)
		length, got := w.Packet(0, 100)
		if want := max(0, len(odd)-frame.HeaderLen); n != 1 || err == nil || length != want || len(got) != want {
			t.Errorf("%d bytes: %d packets, %v, %d bytes of %d", len(odd), n, err, len(got), length)
		}
	}
}

// The packets of a tunnel's super-frame are the same, whether it is marked for a port or not.
func TestWireOfTunnels(t *testing.T) {
	var w frame.Wire
	for name, u := range tunnelKinds() {
		for kind, s := range innerSupers() {
			f := u.wrapFrame(s.build())
			l, err := frame.Inspect(f)
			if err != nil {
				t.Fatal(err)
			}
			relay := make([]bool, l.Packets())
			for i := range relay {
				relay[i] = true
			}
			var splitter frame.Splitter
			pieces := splitter.Split(f.Clone(), l, relay, nil)
			marked := f.Clone()
			l.Mark(marked)
			for _, f := range []frame.Frame{f, marked} {
				n, err := w.Open(f)
				if n != len(pieces) || err != nil {
					t.Fatalf("%s/%s: %d packets of %d, %v", name, kind, n, len(pieces), err)
				}
				for i, piece := range pieces {
					if _, got := w.Packet(i, 1<<18); !bytes.Equal(got, finished(t, piece.Clone())) {
						t.Fatalf("%s/%s: packet %d differs", name, kind, i)
					}
				}
			}
		}
	}
}
