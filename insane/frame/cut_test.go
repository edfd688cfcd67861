package frame_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// checkCut cuts f into parts of random lengths, in order, and compares the packets of each with
// what the oracle makes of the whole. over says which parts overwrite those before them.
func checkCut(t testing.TB, f frame.Frame, r *rand.Rand, over bool) {
	t.Helper()
	want, work := packetsOf(t, f), f.Clone()
	l, err := frame.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	var s frame.Splitter
	for from := 0; from < len(want); {
		to := from + 1 + r.IntN(len(want)-from)
		var got frame.Frame
		if over {
			got = s.CutOver(work, l, from, to)
		} else {
			got = s.Cut(work, l, from, to)
		}
		checkResult(t, f, l, got, [2]int{from, to})
		comparePackets(t, want[from:to], packetsOf(t, got))
		if r.IntN(2) == 0 {
			s.Reset()
		}
		from = to
	}
	if !over && !bytes.Equal(work, f) {
		t.Errorf("Cut has changed the frame")
	}
}

// Cut and CutOver make the packets that the oracle makes.
func TestCut(t *testing.T) {
	for name, s := range supers() {
		for seed := range uint64(8) {
			for _, over := range []bool{false, true} {
				r := rand.New(rand.NewPCG(seed, 1))
				checkCut(named{t, fmt.Sprintf("%s, seed %d, over %v", name, seed, over)}, s.build(), r, over)
			}
		}
	}
}

// So they do with random super-frames.
func TestCutRandom(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := randomSuper(r)
		checkCut(named{t, fmt.Sprintf("seed %d, %+v", seed, s)}, s.build(), r, seed%2 == 0)
	}
}

// CutOver copies no payload where segments are longer than headers, but for the first part.
func TestCutOverDoesNotCopyPayload(t *testing.T) {
	f := supers()["tcp4"].build()
	l, err := frame.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	var s frame.Splitter
	n := l.Packets()
	r := s.CutOver(f, l, n-3, n)
	if &r[len(r)-1] != &f[len(f)-1] {
		t.Error("the payload was moved")
	}
	first := s.CutOver(f, l, 0, 3)
	if &first[0] == &f[0] {
		t.Error("the first part is in place of the headers of the frame")
	}
}

// All packets are the frame itself.
func TestCutAll(t *testing.T) {
	f := supers()["udp4"].build()
	l, err := frame.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	var s frame.Splitter
	if r := s.Cut(f, l, 0, l.Packets()); &r[0] != &f[0] || len(r) != len(f) {
		t.Error("the frame was copied")
	}
}
