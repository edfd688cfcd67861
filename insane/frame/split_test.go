package frame_test

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/seed-39a139a1/insane/insane/frame"
)

func TestSplitSupers(t *testing.T) {
	for name, s := range supers() {
		f := s.build()
		l, err := frame.Inspect(f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for pattern, relay := range patterns(l.Packets()) {
			t.Run(name+"/"+pattern, func(t *testing.T) { checkSplit(t, f, relay) })
		}
	}
}

// TestSplitPlain holds that a frame of one packet stays as it is or goes.
func TestSplitPlain(t *testing.T) {
	f := plain(typeIPv4, 100)
	l, err := frame.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	var s frame.Splitter
	out := []frame.Frame{plain(typeIPv6, 7)}
	out = s.Split(f, l, []bool{false}, out)
	if len(out) != 1 {
		t.Fatalf("dropped packet: %d frames, want the one before", len(out))
	}
	out = s.Split(f, l, []bool{true}, out)
	if len(out) != 2 || &out[1][0] != &f[0] || len(out[1]) != len(f) {
		t.Errorf("relayed packet is not the frame itself, behind what was there")
	}
}

// TestSplitByHand has bytes worked out on paper, in case builder and oracle
// err together.
func TestSplitByHand(t *testing.T) {
	f := super{family: 4, protocol: tcp, payload: 350, gso: 100, id: 0xffff, seq: 0xffffffff, flags: fin | psh | cwr}.build()
	l, err := frame.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	var s frame.Splitter
	results := s.Split(f, l, []bool{true, false, true, true}, nil)
	if len(results) != 2 {
		t.Fatalf("%d frames, want 2", len(results))
	}
	field := func(r frame.Frame, at, n int) (v int64) {
		for _, b := range r[at : at+n] {
			v = v<<8 | int64(b)
		}
		return v
	}
	for i, want := range [][]int64{
		// length, IP length, id, sequence number, flags, GSO type
		{10 + 14 + 140, 140, 0xffff, 0xffffffff, ack | cwr, frame.GSONone},
		{10 + 14 + 190, 190, 1, 199, ack | fin | psh, frame.GSOTCPv4},
	} {
		r := results[i]
		got := []int64{
			int64(len(r)), field(r, ip4+2, 2), field(r, ip4+4, 2),
			field(r, tcp4At+4, 4), field(r, tcp4At+13, 1), field(r, 1, 1),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("frame %d (-want +got):\n%s", i, diff)
		}
	}
}

// TestSplitCWR holds who gets the CWR of a super-frame: the first packet, or all
// of them if it counts for accurate ECN.
func TestSplitCWR(t *testing.T) {
	for _, test := range []struct {
		accECN bool
		want   []int64 // GSO type and CWR of each frame
	}{
		{false, []int64{frame.GSONone, cwr, frame.GSOTCPv4, 0}},
		{true, []int64{frame.GSONone, cwr, frame.GSOTCPv4, cwr}},
	} {
		f := super{family: 4, protocol: tcp, payload: 400, gso: 100, flags: cwr, accECN: test.accECN}.build()
		l, err := frame.Inspect(f)
		if err != nil {
			t.Fatal(err)
		}
		var s frame.Splitter
		var got []int64
		for _, r := range s.Split(f, l, []bool{true, false, true, true}, nil) {
			got = append(got, int64(r.Header().GSOType), int64(r[tcp4At+13]&cwr))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("accurate %v (-want +got):\n%s", test.accECN, diff)
		}
	}
}

// TestSplitEveryIdentification walks all IPv4 identifications, and with them
// every carry of the header checksum.
func TestSplitEveryIdentification(t *testing.T) {
	f := super{family: 4, protocol: udp, payload: 20, gso: 10}.build()
	set(ip4+12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)(f) // addresses: many carries
	l, err := frame.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	var s frame.Splitter
	out := make([]frame.Frame, 0, 1)
	for id := range 1 << 16 {
		binary.BigEndian.PutUint16(f[ip4+4:], uint16(id))
		out = s.Split(f.Clone(), l, []bool{false, true}, out[:0])
		if ip := out[0][ip4:tcp4At]; wordSum(ip) != 0xffff {
			t.Fatalf("identification %#04x: wrong checksum in % x", id, ip)
		}
	}
}

// TestSplitKeepsWrongChecksum holds that damage done by the sender is not repaired:
// the partial checksum is as far off behind Split as before.
func TestSplitKeepsWrongChecksum(t *testing.T) {
	s := super{family: 6, protocol: udp, payload: 5000, gso: 1000}
	right, wrong := s.build(), s.build()
	const check, off = ip4 + 40 + 6, 0x1234
	sum := uint32(binary.BigEndian.Uint16(right[check:]))
	binary.BigEndian.PutUint16(wrong[check:], uint16((sum+off)%0xffff))
	relay := []bool{true, true, false, true, true}
	var a, b frame.Splitter
	l, err := frame.Inspect(wrong)
	if err != nil {
		t.Fatal(err)
	}
	good, bad := a.Split(right, l, relay, nil), b.Split(wrong, l, relay, nil)
	for i := range good {
		g, b := binary.BigEndian.Uint16(good[i][check:]), binary.BigEndian.Uint16(bad[i][check:])
		if got := (uint32(b) + 0xffff - uint32(g)) % 0xffff; got != off {
			t.Errorf("frame %d: checksum is %#04x off, want %#04x", i, got, off)
		}
	}
}
