package frame_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/seed-39a139a1/insane/insane/frame"
)

// checkSplit splits a copy of f and compares every surviving packet, and the
// form of the frames that carry them, with what the oracle makes of the whole.
func checkSplit(t testing.TB, f frame.Frame, relay []bool) {
	t.Helper()
	want := survivors(packetsOf(t, f), relay)
	work := f.Clone()
	l, err := frame.Inspect(work)
	if err != nil {
		t.Fatal(err)
	}
	var s frame.Splitter
	results := s.Split(work, l, relay, nil)

	runs := runsOf(relay)
	if len(results) != len(runs) {
		t.Fatalf("%d frames for %d runs of %v", len(results), len(runs), relay)
	}
	var got [][]byte
	for i, r := range results {
		packets := packetsOf(t, r)
		got = append(got, packets...)
		if len(packets) != runs[i][1]-runs[i][0] {
			t.Fatalf("frame %d has %d packets, want run %v", i, len(packets), runs[i])
		}
		checkResult(t, f, l, r, runs[i])
	}
	comparePackets(t, want, got)
}

// comparePackets fails the test at the first packet that is not as wanted.
func comparePackets(t testing.TB, want, got [][]byte) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		if w, g := want[i], got[i]; !bytes.Equal(w, g) {
			const headers = 128 // enough to see; the rest is noise
			t.Fatalf("packet %d of %d: %d bytes, want %d (-want +got):\n%s", i, len(want), len(g), len(w),
				cmp.Diff(w[:min(headers, len(w))], g[:min(headers, len(g))]))
		}
	}
	if len(want) != len(got) {
		t.Fatalf("%d packets, want %d", len(got), len(want))
	}
}

// checkResult checks what a packet on the wire does not show: that r, the
// result for the run of f, is a frame that Inspect and the kernel understand.
func checkResult(t testing.TB, f frame.Frame, l frame.Layout, r frame.Frame, run [2]int) {
	t.Helper()
	got, err := frame.Inspect(r)
	if err != nil {
		t.Fatalf("Inspect of run %v: %v", run, err)
	}
	if got.Packets() != run[1]-run[0] || got.Bytes(0, got.Packets()) != l.Bytes(run[0], run[1]) {
		t.Errorf("run %v has %d packets of %d bytes", run, got.Packets(), got.Bytes(0, got.Packets()))
	}
	if run == [2]int{0, l.Packets()} {
		if !bytes.Equal(f, r) {
			t.Errorf("whole frame changed (-want +got):\n%s", cmp.Diff(f, r))
		}
		return
	}
	want, d := f.Header(), dissect(f)
	want.HdrLen = uint16(d.payload)
	if d.protocol == tcp && (run[0] > 0 || f[frame.HeaderLen+d.l4+13]&cwr == 0) {
		want.GSOType &^= frame.GSOECN
	}
	if run[1]-run[0] == 1 {
		want.GSOType, want.GSOSize, want.HdrLen = frame.GSONone, 0, 0
	}
	if diff := cmp.Diff(want, r.Header()); diff != "" {
		t.Errorf("virtio header of run %v (-want +got):\n%s", run, diff)
	}
	if cap(r) != len(r) {
		t.Errorf("run %v: an append would overwrite %d bytes of its neighbour", run, cap(r)-len(r))
	}
}

// runsOf lists the maximal runs [from, to) of true.
func runsOf(relay []bool) (runs [][2]int) {
	for i, r := range relay {
		switch {
		case !r:
		case i > 0 && relay[i-1]:
			runs[len(runs)-1][1] = i + 1
		default:
			runs = append(runs, [2]int{i, i + 1})
		}
	}
	return runs
}

// patterns are the verdicts that are worth a look, for n packets.
func patterns(n int) map[string][]bool {
	make := func(relay func(i int) bool) []bool {
		p := make([]bool, n)
		for i := range p {
			p[i] = relay(i)
		}
		return p
	}
	coin := rand.New(rand.NewPCG(1, uint64(n)))
	return map[string][]bool{
		"all":           make(func(int) bool { return true }),
		"none":          make(func(int) bool { return false }),
		"even":          make(func(i int) bool { return i%2 == 0 }),
		"odd":           make(func(i int) bool { return i%2 == 1 }),
		"first only":    make(func(i int) bool { return i == 0 }),
		"last only":     make(func(i int) bool { return i == n-1 }),
		"first lost":    make(func(i int) bool { return i != 0 }),
		"second lost":   make(func(i int) bool { return i != 1 }),
		"last lost":     make(func(i int) bool { return i != n-1 }),
		"middle lost":   make(func(i int) bool { return i != n/2 }),
		"both ends":     make(func(i int) bool { return i == 0 || i == n-1 }),
		"pairs":         make(func(i int) bool { return i%3 != 2 }),
		"gaps of three": make(func(i int) bool { return i%4 == 0 }),
		"random":        make(func(int) bool { return coin.IntN(2) == 0 }),
	}
}
