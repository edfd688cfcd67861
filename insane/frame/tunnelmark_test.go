package frame_test

import (
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// innerSupers are super-frames to be put into tunnels.
func innerSupers() map[string]super {
	return map[string]super{
		"tcp4": {family: 4, protocol: tcp, options: timestamps(), payload: 5001, gso: 900, flags: psh | cwr, id: 0xfffd},
		"tcp6": {family: 6, protocol: tcp, payload: 4000, gso: 777, flags: fin},
		"udp4": {family: 4, protocol: udp, payload: 3001, gso: 500},
		"udp6": {family: 6, protocol: udp, payload: 70, gso: 7},
	}
}

// A super-frame of a UDP tunnel that is marked stays in one piece, and so does each run of its
// packets. When the kernel cuts such a run later, the packets are those that Split makes of
// the frame without a mark. Other tunnels, and a tunnel inside another, are not marked.
func TestMark(t *testing.T) {
	for name, u := range tunnelKinds() {
		for kind, s := range innerSupers() {
			t.Run(name+"/"+kind, func(t *testing.T) {
				whole := u.wrapFrame(s.build())
				checkMark(t, whole, u.protocol == udp)
				if u.family != 0 {
					checkMark(t, tunnelKinds()["vxlan"].wrapFrame(whole), false)
				}
			})
		}
	}
}

// checkMark marks a super-frame in a tunnel and splits it. can says whether it can be marked.
func checkMark(t *testing.T, whole frame.Frame, can bool) {
	t.Helper()
	l, err := frame.Inspect(whole)
	if err != nil {
		t.Fatal(err)
	}
	plain, marked := l, whole.Clone()
	l.Mark(marked)
	if l.Whole() != can || can == (string(marked) == string(whole)) {
		t.Fatalf("marked: %v, want %v", l.Whole(), can)
	}
	relay := make([]bool, l.Packets())
	for pattern := range 4 { // all, some, some, none
		for i := range relay {
			relay[i] = pattern == 0 || pattern < 3 && (i+pattern)%3 != 0
		}
		var s frame.Splitter
		var want, got [][]byte
		for _, r := range s.Split(whole.Clone(), plain, relay, nil) {
			want = append(want, finished(t, r))
		}
		pieces := s.Split(marked.Clone(), l, relay, nil)
		if can && pattern == 0 && len(pieces) != 1 {
			t.Errorf("%d pieces, want one", len(pieces))
		}
		for _, r := range pieces {
			got = append(got, cutLater(t, r)...)
		}
		comparePackets(t, want, got)
	}
}

// cutLater makes packets of a result of Split, as the kernel does behind a port that carries
// tunnels.
func cutLater(t *testing.T, r frame.Frame) (packets [][]byte) {
	t.Helper()
	if r.Header().GSOType == frame.GSONone {
		return [][]byte{finished(t, r)}
	}
	outer, inner, ok := r.Tunnel()
	if e := r[frame.HeaderLen:]; !ok || outer < 14 || inner < outer+8 || e[inner]>>4 != 4 && e[inner]>>4 != 6 ||
		int(e[outer+4])<<8|int(e[outer+5]) != len(e)-outer {
		t.Fatalf("UDP at %d, IP at %d, %v: % x", outer, inner, ok, r[:80])
	}
	r.Unmark()
	l, err := frame.Inspect(r)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]bool, l.Packets())
	for i := range all {
		all[i] = true
	}
	var s frame.Splitter
	for _, p := range s.Split(r, l, all, nil) {
		packets = append(packets, finished(t, p))
	}
	return packets
}
