package frame_test

import (
	"bytes"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// inspected is a frame with its layout and the given verdicts for its packets.
func inspected(t testing.TB, s super, pattern string) (frame.Frame, frame.Layout, []bool) {
	t.Helper()
	f := s.build()
	l, err := frame.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	return f, l, patterns(l.Packets())[pattern]
}

// TestSplitDoesNotCopyPayload holds that segments longer than their headers
// stay where they are.
func TestSplitDoesNotCopyPayload(t *testing.T) {
	for _, name := range []string{"tcp4", "tcp4 gso 64", "tcp6 chain", "udp4", "tcp4 two tags"} {
		for _, pattern := range []string{"even", "odd", "last only", "random"} {
			f, l, relay := inspected(t, supers()[name], pattern)
			head := len(f) - supers()[name].payload
			var s frame.Splitter
			results := s.Split(f, l, relay, nil)
			for i, run := range runsOf(relay) {
				r := results[i]
				end := min(head+run[1]*supers()[name].gso, len(f))
				if &r[len(r)-1] != &f[end-1] {
					t.Errorf("%s, %s: payload of run %v was moved", name, pattern, run)
				}
			}
		}
	}
}

// TestSplitUsesTheGap holds that headers longer than a segment go where several
// segments were dropped, and where a segment was that moved away.
func TestSplitUsesTheGap(t *testing.T) {
	f, l, relay := inspected(t, supers()["tcp4 gso 20"], "none")
	const head, size = 64, 20
	tests := []struct {
		packet  int
		inPlace bool // is there room for 64 bytes in front of its payload?
	}{
		{0, true},
		{2, false}, // 20 bytes, behind packet 0
		{5, true},  // 80 bytes, behind packet 0 as packet 2 has moved
		{9, false}, // 60 bytes, behind packet 5
	}
	for _, test := range tests {
		relay[test.packet] = true
	}
	var s frame.Splitter
	results := s.Split(f, l, relay, nil)
	for i, test := range tests {
		last := &results[i][len(results[i])-1]
		if got := last == &f[head+(test.packet+1)*size-1]; got != test.inPlace {
			t.Errorf("packet %d in place: %v, want %v", test.packet, got, test.inPlace)
		}
	}
}

// TestSplitResultsLiveUntilReset splits a batch with one Splitter, in place and
// in scratch memory of more than one piece, and looks at the results only then.
func TestSplitResultsLiveUntilReset(t *testing.T) {
	tiny := super{family: 4, protocol: tcp, payload: 2000, gso: 1, flags: psh}
	var s frame.Splitter
	for round := range 3 {
		var want [][]byte
		var batch []frame.Frame
		for range 3 {
			for _, one := range []super{tiny, supers()["udp4"], supers()["tcp6 gso 8"]} {
				f, l, relay := inspected(t, one, "even")
				want = append(want, survivors(packetsOf(t, f), relay)...)
				batch = s.Split(f, l, relay, batch)
			}
		}
		var got [][]byte
		for _, r := range batch {
			got = append(got, packetsOf(t, r)...)
		}
		if len(want) < 3000 {
			t.Fatalf("round %d: only %d packets, too few to fill the scratch memory", round, len(want))
		}
		comparePackets(t, want, got)
		s.Reset()
	}
}

// TestSplitAll holds that a frame that loses nothing is not touched.
func TestSplitAll(t *testing.T) {
	f, l, relay := inspected(t, supers()["tcp4"], "all")
	before := f.Clone()
	var s frame.Splitter
	out := s.Split(f, l, relay, nil)
	if len(out) != 1 || &out[0][0] != &f[0] || !bytes.Equal(out[0], before) {
		t.Error("a frame with no packet lost is not the frame itself")
	}
}

// TestNoAllocations holds that the packets of a stream cost no garbage.
func TestNoAllocations(t *testing.T) {
	for _, name := range []string{"tcp4", "tcp6 chain", "udp4", "tcp4 gso 8"} {
		f, l, relay := inspected(t, supers()[name], "even")
		if n := testing.AllocsPerRun(100, func() {
			if _, err := frame.Inspect(f); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: Inspect allocates %v times", name, n)
		}
		bad := f[:len(f)-1]
		if n := testing.AllocsPerRun(100, func() {
			if _, err := frame.Inspect(bad); err == nil {
				t.Fatal("no error")
			}
		}); n != 0 {
			t.Errorf("%s: Inspect allocates %v times to refuse", name, n)
		}
		buf, arrived := append(make([]byte, frame.TagLen), f...), verified(t, f)
		work := arrived.Clone()
		if n := testing.AllocsPerRun(100, func() {
			copy(buf[frame.TagLen:], f)
			frame.InsertTag(buf, typeTag, 1)
			copy(work, arrived)
			frame.MakePartial(work)
		}); n != 0 {
			t.Errorf("%s: InsertTag and MakePartial allocate %v times", name, n)
		}
		var s frame.Splitter
		out := make([]frame.Frame, 0, l.Packets())
		head := f[:len(f)-supers()[name].payload].Clone()
		if n := testing.AllocsPerRun(100, func() {
			copy(f, head)
			out = s.Split(f, l, relay, out[:0])
			s.Reset()
		}); n != 0 {
			t.Errorf("%s: Split allocates %v times", name, n)
		}
	}
}

// TestResetGivesBackFloods holds that one batch of tiny segments does not keep
// megabytes for ever: the next one has to allocate again.
func TestResetGivesBackFloods(t *testing.T) {
	flood := super{family: 4, protocol: tcp, payload: 60000, gso: 1}
	f, l, relay := inspected(t, flood, "even")
	head := f[:len(f)-flood.payload].Clone()
	var s frame.Splitter
	out := make([]frame.Frame, 0, l.Packets())
	if n := testing.AllocsPerRun(3, func() {
		copy(f, head)
		out = s.Split(f, l, relay, out[:0])
		s.Reset()
	}); n == 0 {
		t.Errorf("%d results kept their memory behind Reset", len(out))
	}
}
