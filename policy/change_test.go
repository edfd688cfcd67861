package policy

import (
	"math"
	"slices"
	"testing"
)

// chosen is how a stage that chooses packets by chance appears in a verdict.
var chosen = []struct {
	text string // with the share of 30 % and the number 5
	of   func(v Verdict) uint32
	key  func(p *Program) uint64
}{
	{"duplicate 30 copies 5", func(v Verdict) uint32 { return v.Copies }, func(p *Program) uint64 { return p.DuplicateKey }},
	{"corrupt 30 bits 5", func(v Verdict) uint32 { return v.Flips }, func(p *Program) uint64 { return p.CorruptKey }},
	{"reorder 30 by 5", func(v Verdict) uint32 { return v.Behind }, func(p *Program) uint64 { return p.ReorderKey }},
}

// The share of the packets is exact, their order is random, and of copies both hold by
// themselves.
func TestChosenPackets(t *testing.T) {
	for _, c := range chosen {
		for _, seed := range neighbours(5) {
			prog, n := compile(t, c.text, 0, seed), many(200_000)
			packets, copies := make(verdicts, n), make(verdicts, n)
			for i := range packets {
				v, w := prog.Decide(0, uint64(i)), prog.Copy(0, uint64(i), 1)
				if x, y := c.of(v), c.of(w); x != 0 && x != 5 || y != 0 && y != 5 {
					t.Fatalf("%s: packet %d: %v, copy %v", c.text, i, v, w)
				}
				packets[i], copies[i] = uint8(c.of(v)/5), uint8(c.of(w)/5)
				if w.Copies != 0 || w.By != Relay {
					t.Fatalf("%s: a copy of packet %d: %v", c.text, i, w)
				}
			}
			accept(t, binomialP(packets.drops(), n, 0.3), "%s, seed %d: %d of %d", c.text, seed, packets.drops(), n)
			accept(t, packets.runsP(), "%s, seed %d: runs", c.text, seed)
			accept(t, packets.ljungBoxP(20), "%s, seed %d: correlation", c.text, seed)
			if c.of(Verdict{Change: Change{Copies: 1}}) == 0 { // copies have draws of this stage
				accept(t, binomialP(copies.drops(), n, 0.3), "%s, seed %d: %d of %d copies", c.text, seed, copies.drops(), n)
				for shift := -1; shift <= 1; shift++ {
					accept(t, packets.withP(copies, shift), "%s, seed %d: packets and copies, shift %d", c.text, seed, shift)
				}
			}
		}
	}
}

// None and all are exact, and what is lost has nothing else.
func TestChosenEnds(t *testing.T) {
	none := compile(t, "duplicate 0 corrupt 0 reorder 0", 0, 1)
	all := compile(t, "percent 50 duplicate 100 copies 100 corrupt 100 bits 100 reorder 100 by 10000", 0, 1)
	for n := range uint64(10_000) {
		if v := none.Decide(0, n); v != (Verdict{}) {
			t.Fatalf("packet %d: %v", n, v)
		}
		v := all.Decide(0, n)
		if v.Lost() && v != (Verdict{Loss: Loss{By: ByPercent}}) || !v.Lost() && v != (Verdict{Change: Change{100, 100, 10_000}}) {
			t.Fatalf("packet %d: %v", n, v)
		}
	}
}

// Stages are independent of each other, also of losses.
func TestChosenAreIndependent(t *testing.T) {
	n := many(400_000)
	traces := []verdicts{decide(compile(t, "percent 70", 0, 6), 0, n)}
	for _, c := range chosen {
		prog, v := compile(t, c.text, 0, 6), make(verdicts, n)
		for i := range v {
			v[i] = uint8(c.of(prog.Decide(0, uint64(i))) / 5)
		}
		traces = append(traces, v)
	}
	for i := range traces {
		for j := range i {
			for shift := -2; shift <= 2; shift++ {
				accept(t, traces[i].withP(traces[j], shift), "traces %d and %d, shift %d", i, j, shift)
			}
		}
	}
}

// Beside all other stages, each chooses the packets that it chooses alone.
func TestChosenMoveWithNothing(t *testing.T) {
	both := compile(t, "every 3 ecn duplicate 30 copies 5 corrupt 30 bits 5 rate 1mbit delay 1ms reorder 30 by 5 slot 1ms", 0, 7)
	for _, c := range chosen {
		alone := compile(t, c.text, 0, 7)
		if c.key(&alone) != c.key(&both) {
			t.Errorf("%s: another key", c.text)
		}
		for n := range uint64(20_000) {
			if got, want := c.of(both.Decide(5, n)), c.of(alone.Decide(0, n)); got != want {
				t.Fatalf("%s: packet %d: %d, want %d", c.text, n, got, want)
			}
		}
	}
}

// The places of flips differ from each other and are below the number of bits; each place,
// and each pair of places, is equally likely.
func TestFlipPlaces(t *testing.T) {
	for _, c := range []struct {
		text  string
		bits  uint64
		flips int
	}{
		{"corrupt 100", 8, 1}, {"corrupt 100", 1, 1}, {"corrupt 100", 97, 1}, {"corrupt 100 bits 2", 9, 2}, {"corrupt 100 bits 3", 10, 3},
		{"corrupt 100 bits 7", 8, 7}, {"corrupt 100 bits 100", 100, 100}, {"corrupt 100 bits 100", 3, 3}, {"corrupt 100 bits 100", 101, 100}, {"corrupt 100", 0, 0},
	} {
		prog, n := compile(t, c.text, 0, 8), many(100_000)
		single, pairs := make([]int, c.bits), make([]int, c.bits*c.bits)
		var places []uint64
		for i := range uint64(n) {
			places = prog.Flip(places[:0], i, uint32(i%3), c.bits)
			if len(places) != c.flips {
				t.Fatalf("%s of %d bits: %d places", c.text, c.bits, len(places))
			}
			slices.Sort(places)
			for j, place := range places {
				if place >= c.bits || j > 0 && place == places[j-1] {
					t.Fatalf("%s of %d bits: %v", c.text, c.bits, places)
				}
				single[place]++
				if j > 0 && c.flips == 2 {
					pairs[places[0]*c.bits+place]++
				}
			}
		}
		if c.flips == 1 && c.bits > 1 {
			accept(t, uniformP(single), "%s of %d bits: places %v", c.text, c.bits, single)
		}
		if c.flips == 2 {
			accept(t, uniformP(slices.DeleteFunc(pairs, func(x int) bool { return x == 0 })), "%s of %d bits: pairs", c.text, c.bits)
		}
	}
}

// A packet, its copies and its neighbours have places of their own; what is there already
// stays.
func TestFlipAppends(t *testing.T) {
	prog := compile(t, "corrupt 100 bits 4", 0, 1)
	seen := map[uint64]bool{}
	for n := range uint64(50) {
		for ordinal := range uint32(3) {
			got := prog.Flip([]uint64{7}, n, ordinal, math.MaxUint64)
			if len(got) != 5 || got[0] != 7 {
				t.Fatal(got)
			}
			for _, place := range got[1:] {
				seen[place] = true
			}
		}
	}
	if len(seen) != 50*3*4 {
		t.Errorf("%d places differ, want %d", len(seen), 50*3*4)
	}
	places := make([]uint64, 0, 100)
	if n := testing.AllocsPerRun(100, func() { places = prog.Flip(places[:0], 1, 2, 12_000) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Packets that the stages before ecn would drop are marked; the mark changes nothing else.
func TestECN(t *testing.T) {
	const rest = " duplicate 50 corrupt 50 delay 5ms reorder 50"
	lost, marked, open := compile(t, "percent 50 every 3"+rest, 0, 3), compile(t, "percent 50 every 3 ecn"+rest, 0, 3), compile(t, rest, 0, 3)
	marks := 0
	for n := range uint64(10_000) {
		want := lost.Decide(0, n)
		if want.Lost() {
			marks++
			by := want.By
			want = open.Decide(0, n)
			want.By, want.Mark = by, true
		}
		if got := marked.Decide(0, n); got != want {
			t.Fatalf("packet %d: %v, want %v", n, got, want)
		}
	}
	if marks < 6000 {
		t.Errorf("%d marks", marks)
	}
	alone := compile(t, "time 0 1s ecn", 0, 3)
	if got := alone.Decide(0, 0); got != (Verdict{Loss: Loss{ByTime, true}}) || !alone.Uniform(45) {
		t.Errorf("%v", got)
	}
}

func TestChosenRoundTrip(t *testing.T) {
	roundTrips(t, "duplicate", map[string]string{"1": "1", "0%": "0", "100 copies 1": "100", "0.5% copies 100": "0.5 copies 100"})
	roundTrips(t, "corrupt", map[string]string{"1": "1", "0": "0", "100% bits 1": "100", ".1 bits 100": "0.1 bits 100"})
	roundTrips(t, "reorder", map[string]string{"1": "1", "0": "0", "100 by 1": "100", "2% by 10000": "2 by 10000"})
	roundTrips(t, "percent 5 ecn", map[string]string{"": "5"})
}

// A program that makes packets wait says so, and one verdict serves a super-frame as long as
// no packet has a draw of its own.
func TestHoldsAndUniform(t *testing.T) {
	for text, want := range map[string]struct{ holds, uniform bool }{
		"pass":                            {false, true},
		"percent 50":                      {false, false},
		"time 1s 1s ecn":                  {false, true},
		"duplicate 1":                     {false, false},
		"duplicate 0":                     {false, true},
		"duplicate 100":                   {false, false},
		"corrupt 100":                     {false, false},
		"delay 0":                         {false, true},
		"delay 1ns":                       {true, true},
		"delay 5ms jitter 1ms":            {true, true},
		"delay 0 jitter 1ms normal":       {true, true},
		"delay 5ms jitter 1ms each":       {true, false},
		"delay 5ms jitter 1ms reordering": {true, false},
		"delay 5ms jitter 1ms every 1ns":  {true, true},
		"rate 1mbit":                      {true, true},
		"rate 1mbit queue 5 delay 1s":     {true, true},
		"slot 5ms":                        {true, true},
		"reorder 1":                       {true, false},
		"percent 50 delay 20ms":           {true, false},
		"percent 0 delay 20ms rate 1mbit": {true, true},
		"percent 0 ecn delay 5ms jitter 1ms each": {true, false},
	} {
		prog := compile(t, text, 0, 1)
		if prog.Holds() != want.holds || prog.Uniform(2) != want.uniform || !prog.Uniform(1) {
			t.Errorf("%s: holds %v, uniform %v; want %+v", text, prog.Holds(), prog.Uniform(2), want)
		}
	}
}
