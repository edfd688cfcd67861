package frame_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/seed-39a139a1/insane/insane/frame"
)

// TestInspectSupers compares the layout of every super-frame with the packets
// the oracle makes of it.
func TestInspectSupers(t *testing.T) {
	for name, s := range supers() {
		t.Run(name, func(t *testing.T) {
			f := s.build()
			before := f.Clone()
			l, err := frame.Inspect(f)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, f) {
				t.Error("Inspect changed the frame")
			}
			checkLayout(t, l, packetsOf(t, f), 14+4*len(s.tags))
		})
	}
}

// checkLayout compares what l says with wire packets whose link header is link
// bytes long.
func checkLayout(t *testing.T, l frame.Layout, packets [][]byte, link int) {
	t.Helper()
	if got, want := l.Packets(), len(packets); got != want {
		t.Fatalf("Packets is %d, want %d", got, want)
	}
	mtu, sum := 0, uint64(0)
	for i, p := range packets {
		mtu = max(mtu, len(p)-link)
		if got, want := l.Bytes(i, i+1), uint64(len(p)); got != want {
			t.Errorf("Bytes(%d, %d) is %d, want %d", i, i+1, got, want)
		}
		if got := l.Bytes(0, i); got != sum {
			t.Errorf("Bytes(0, %d) is %d, want %d", i, got, sum)
		}
		sum += uint64(len(p))
	}
	if got := l.Bytes(0, len(packets)); got != sum {
		t.Errorf("Bytes of all is %d, want %d", got, sum)
	}
	if got := l.MTU(); got != mtu {
		t.Errorf("MTU is %d, want %d", got, mtu)
	}
}

// TestLayoutByHand has numbers worked out on paper, in case builder and oracle
// err together.
func TestLayoutByHand(t *testing.T) {
	// 14 + 20 + 32 bytes of headers; 44 segments of 1448 and one of 1288.
	l, err := frame.Inspect(supers()["tcp4"].build())
	if err != nil {
		t.Fatal(err)
	}
	got := []int{l.Packets(), l.MTU(), int(l.Bytes(0, 1)), int(l.Bytes(44, 45)), int(l.Bytes(0, 45)), int(l.Bytes(3, 3))}
	want := []int{45, 1500, 1514, 1354, 44*1514 + 1354, 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packets, MTU, first, last, all, none (-want +got):\n%s", diff)
	}
}

// TestInspectPlain holds that without a GSO type anything is one packet.
func TestInspectPlain(t *testing.T) {
	tagged := func(types ...uint16) frame.Frame {
		f := plain(types[0], 0)
		for _, tag := range types[1:] {
			f = append(f, 0, 7)
			f = binary.BigEndian.AppendUint16(f, tag)
		}
		return append(f, make([]byte, 100)...)
	}
	tests := map[string]struct {
		frame frame.Frame
		mtu   int
	}{
		"empty":           {plain(0x88b5, 0), 0},
		"ARP":             {plain(0x0806, 28), 28},
		"IPv4 of garbage": {plain(typeIPv4, 1500), 1500},
		"IPv4 cut short":  {plain(typeIPv4, 3), 3},
		"802.3 length":    {plain(0x0026, 38), 38},
		"tag":             {tagged(typeTag, typeIPv4), 100},
		"service tag":     {tagged(typeSTag, typeIPv6), 100},
		"two tags":        {tagged(typeSTag, typeTag, typeIPv4), 100},
		"third tag":       {tagged(typeSTag, typeTag, typeTag, typeIPv4), 104},
		"tag cut short":   {plain(typeTag, 3), 3},
		"longest":         {plain(typeIPv4, frame.MaxLen-frame.HeaderLen-14), frame.MaxLen - frame.HeaderLen - 14},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := frame.Inspect(test.frame)
			if err != nil {
				t.Fatal(err)
			}
			length := uint64(len(test.frame) - frame.HeaderLen)
			if l.Packets() != 1 || l.Bytes(0, 1) != length || l.Bytes(1, 1) != 0 {
				t.Errorf("%d packets of %d bytes, want 1 of %d", l.Packets(), l.Bytes(0, 1), length)
			}
			if l.MTU() != test.mtu {
				t.Errorf("MTU is %d, want %d", l.MTU(), test.mtu)
			}
		})
	}
}

// TestInspectIgnoresHdrLen holds that the hint in the virtio header is not
// believed: the kernel puts the length of a linear buffer there.
func TestInspectIgnoresHdrLen(t *testing.T) {
	f := supers()["tcp4"].build()
	want, err := frame.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []uint16{0, 1, 65, 1514, 0xffff} {
		h := f.Header()
		h.HdrLen = n
		f.SetHeader(h)
		if got, err := frame.Inspect(f); err != nil || got != want {
			t.Errorf("with hdr_len %d: %+v, %v; want %+v", n, got, err, want)
		}
	}
}

// TestInspectErrors holds what every caller relies on.
func TestInspectErrors(t *testing.T) {
	for err, want := range map[error]error{
		frame.ErrRunt: frame.ErrMalformed, frame.ErrTooLong: frame.ErrMalformed, frame.ErrGSOType: frame.ErrMalformed,
		frame.ErrGSOSize: frame.ErrMalformed, frame.ErrChecksum: frame.ErrMalformed, frame.ErrNetwork: frame.ErrMalformed,
		frame.ErrFragment: frame.ErrMalformed, frame.ErrTransport: frame.ErrMalformed, frame.ErrLength: frame.ErrMalformed,
		frame.ErrTunnel:     frame.ErrMalformed,
		frame.ErrNoChecksum: frame.ErrUnsupported, frame.ErrHeaders: frame.ErrUnsupported,
	} {
		if !errors.Is(err, want) || errors.Is(err, frame.ErrMalformed) == errors.Is(err, frame.ErrUnsupported) {
			t.Errorf("%v does not match %v alone", err, want)
		}
	}
}

// TestInspectCutShort cuts super-frames at every byte of their headers, once
// as they are and once with an IP length that agrees with the cut.
func TestInspectCutShort(t *testing.T) {
	for name, s := range supers() {
		whole := s.build()
		headers := len(whole) - s.payload
		lengthAt := ip4 + 4*len(s.tags) + s.family - 2 // 2 in IPv4, 4 in IPv6
		for n := 1; n < headers; n++ {
			f := whole[:n:n].Clone()
			if _, err := frame.Inspect(f); !errors.Is(err, frame.ErrMalformed) {
				t.Errorf("%s: %d of %d header bytes: %v, want ErrMalformed", name, n, headers, err)
			}
			if n < lengthAt+2 {
				continue
			}
			length := n - ip4 - 4*len(s.tags)
			if s.family == 6 {
				length = max(0, length-40)
			}
			binary.BigEndian.PutUint16(f[lengthAt:], uint16(length))
			if _, err := frame.Inspect(f); !errors.Is(err, frame.ErrMalformed) {
				t.Errorf("%s: %d of %d header bytes, length right: %v, want ErrMalformed", name, n, headers, err)
			}
		}
	}
}
