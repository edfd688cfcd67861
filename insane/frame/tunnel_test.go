package frame_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// Split makes of a super-frame in a tunnel, or in one tunnel inside another, the packets that
// the tunnel would make of the packets of the inner super-frame.
func TestSplitTunnels(t *testing.T) {
	for name, u := range tunnelKinds() {
		for kind, s := range innerSupers() {
			f := s.build()
			t.Run(name+"/"+kind, func(t *testing.T) { checkTunnels(t, f, u) })
			if u.family == 0 {
				continue // its frames are no IP packets
			}
			for outer, o := range tunnelKinds() {
				t.Run(outer+"/"+name+"/"+kind, func(t *testing.T) { checkTunnels(t, f, u, o) })
			}
		}
	}
}

// checkTunnels splits the super-frame f inside tunnels, the inner one first.
func checkTunnels(t *testing.T, f frame.Frame, tunnels ...tunnel) {
	t.Helper()
	packets, whole := packetsOf(t, f), f
	for _, u := range tunnels {
		whole = u.wrapFrame(whole)
		for i := range packets {
			packets[i] = u.wrap(packets[i], i)
		}
	}
	l, err := frame.Inspect(whole)
	if err != nil || l.Packets() != len(packets) || l.Whole() {
		t.Fatalf("%d packets, whole %v, %v; want %d in pieces", l.Packets(), l.Whole(), err, len(packets))
	}
	bytes := 0
	for _, p := range packets {
		bytes += len(p)
	}
	if got := l.Bytes(0, l.Packets()); got != uint64(bytes) {
		t.Errorf("%d bytes, want %d", got, bytes)
	}
	relay := make([]bool, len(packets))
	for pattern := range 4 { // all, some, some, none
		for i := range relay {
			relay[i] = pattern == 0 || pattern < 3 && (i+pattern)%3 != 0
		}
		var s frame.Splitter
		var got [][]byte
		for _, r := range s.Split(whole.Clone(), l, relay, nil) {
			got = append(got, finished(t, r))
		}
		comparePackets(t, survivors(packets, relay), got)
	}
}

// finished is the packet of a plain frame whose partial checksum was finished as a NIC does
// it: the field has the sum of a pseudo-header.
func finished(t *testing.T, r frame.Frame) []byte {
	t.Helper()
	h, e := r.Header(), slices.Clone(r[frame.HeaderLen:])
	if h.GSOType != frame.GSONone || h.Flags != frame.NeedsCsum {
		t.Fatalf("header %+v, want a partial checksum", h)
	}
	sum := ^wordSum(e[h.CsumStart:])
	if sum == 0 && h.CsumOffset == 6 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(e[h.CsumStart+h.CsumOffset:], sum)
	return e
}

// A header of a tunnel that is cut short, or damaged, is refused, and never taken for
// something else than it is.
func TestInspectDamagedTunnels(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	for name, u := range tunnelKinds() {
		f := super{family: 4, protocol: tcp, payload: 2000, gso: 700}.build()
		whole := u.wrapFrame(f)
		headers := len(whole) - 2000
		want, err := frame.Inspect(whole)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := frame.HeaderLen + 14; n < headers; n++ {
			if _, err := frame.Inspect(whole[:n]); err == nil {
				t.Errorf("%s: %d of %d header bytes are a super-frame", name, n, headers)
			}
		}
		for range 2000 {
			g := whole.Clone()
			g[frame.HeaderLen+12+r.IntN(headers-frame.HeaderLen-12)] ^= 1 << r.IntN(8)
			got, err := frame.Inspect(g)
			if err == nil && (got.Packets() != want.Packets() || got.Bytes(0, 1) != want.Bytes(0, 1)) &&
				g[headers-8] == whole[headers-8] { // the length of the TCP header may have changed
				t.Fatalf("%s: %d packets of %d bytes: % x", name, got.Packets(), got.Bytes(0, 1), g[:headers])
			}
		}
	}
}
