package policy

import (
	"fmt"
	"testing"
)

// queuesP tests whether k interleaved queues or flows, packet number modulo k,
// lose alike.
func (v verdicts) queuesP(k int) float64 {
	table := make([][]int, k)
	for i := range table {
		table[i] = make([]int, 2)
	}
	for i, x := range v {
		table[i%k][x]++
	}
	return contingencyP(table)
}

// withP tests whether two traces are independent of each other, where packet i
// of one meets packet i+shift of the other.
func (v verdicts) withP(w verdicts, shift int) float64 {
	table := [][]int{{0, 0}, {0, 0}}
	for i := max(0, -shift); i < min(len(v), len(w)-shift); i++ {
		table[v[i]][w[i+shift]]++
	}
	return contingencyP(table)
}

// rates are where the tests of independence look; rarer losses leave too few
// pairs for the χ² approximation.
var rates = []string{"50", "90", "99", "33.333"}

func TestVerdictsAreIndependentInTime(t *testing.T) {
	for _, rate := range rates {
		t.Run("percent="+rate, func(t *testing.T) {
			for _, seed := range []uint64{0, 1, 2000} {
				v := decide(compile(t, "percent "+rate, 0, seed), 0, many(1_000_000))
				accept(t, v.runsP(), "runs, seed %d", seed)
				accept(t, v.ljungBoxP(100), "Ljung–Box, lags 1 to 100, seed %d", seed)
			}
		})
	}
}

func TestVerdictsAreIndependentOfQueue(t *testing.T) {
	for _, rate := range rates {
		v := decide(compile(t, "percent "+rate, 0, 4), 0, many(1_000_000))
		for _, k := range []int{2, 3, 4, 5, 7, 8, 16, 45, 64, 128, 256} {
			accept(t, v.queuesP(k), "percent %s, %d queues", rate, k)
		}
	}
}

// A flow may also be a stride: number the packets of one queue of k alone, and
// what it loses must still be random in itself.
func TestVerdictsAreIndependentWithinQueue(t *testing.T) {
	prog := compile(t, "percent 50", 0, 5)
	for _, stride := range []uint64{2, 3, 8, 1 << 10, 1 << 20, 1 << 32, gamma} {
		v := make(verdicts, 100_000)
		for i := range v {
			v[i] = uint8(prog.Decide(0, uint64(i)*stride).By)
		}
		accept(t, binomialP(v.drops(), len(v), 0.5), "rate at stride %d", stride)
		accept(t, v.runsP(), "runs at stride %d", stride)
		accept(t, v.ljungBoxP(100), "Ljung–Box at stride %d", stride)
	}
}

// Seeds next to each other, and whatever else one may derive from another,
// have nothing in common, also not shifted against each other.
func TestVerdictsAreIndependentOfSeed(t *testing.T) {
	for _, rate := range []string{"50", "90"} {
		var traces []verdicts
		seeds := neighbours(1)
		for _, seed := range seeds {
			traces = append(traces, decide(compile(t, "percent "+rate, 0, seed), 0, many(200_000)))
		}
		for i := range traces {
			for j := range i {
				for _, shift := range []int{-2, -1, 0, 1, 2} {
					accept(t, traces[i].withP(traces[j], shift), "percent %s, seeds %d and %d, shift %d",
						rate, seeds[i], seeds[j], shift)
				}
			}
		}
	}
}

// Two directions with seeds from Subseed are independent of each other and of
// a device that uses the seed itself.
func TestVerdictsAreIndependentOfIndex(t *testing.T) {
	seeds := []uint64{9, Subseed(9, 0), Subseed(9, 1), Subseed(9, 2)}
	for i := range seeds {
		for j := range i {
			v := decide(compile(t, "percent 50", 0, seeds[i]), 0, many(1_000_000))
			w := decide(compile(t, "percent 50", 0, seeds[j]), 0, many(1_000_000))
			for shift := -2; shift <= 2; shift++ {
				accept(t, v.withP(w, shift), "subseeds %d and %d, shift %d", i, j, shift)
			}
		}
	}
}

// Stages draw for the same packet number, so their keys must make the draws
// independent in all their bits: a 16 × 16 table of the top four.
func TestDrawsAreIndependentOfStage(t *testing.T) {
	for _, seed := range neighbours(11) {
		for a := uint64(1); a <= 4; a++ {
			for b := uint64(1); b < a; b++ {
				p := jointP(Subseed(seed, a), Subseed(seed, b), 100_000)
				accept(t, p, "seed %d, stages %d and %d", seed, a, b)
			}
		}
	}
}

func jointP(a, b uint64, n uint64) float64 {
	table := make([][]int, 16)
	for i := range table {
		table[i] = make([]int, 16)
	}
	for seq := range n {
		table[draw(a, seq)>>28][draw(b, seq)>>28]++
	}
	return contingencyP(table)
}

// Turning a stage on never moves another's verdicts: what percent drops by
// itself are the packets that it drops beside time, and the other way round.
func TestStagesDoNotMoveEachOther(t *testing.T) {
	const on, off = 300, 700
	alone := compile(t, "percent 80", 0, 6)
	both := compile(t, fmt.Sprintf("percent 80 time %dns %dns", on, off), 0, 6)
	open := compile(t, fmt.Sprintf("percent 100 time %dns %dns", on, off), 0, 6)
	timed := compile(t, fmt.Sprintf("time %dns %dns", on, off), 0, 6)
	for seq := range uint64(100_000) {
		now := Time(seq * 7)
		want := alone.Decide(now, seq).By // dropped if any drops, and by the first that does
		if want == Relay {
			want = timed.Decide(now, seq).By
		}
		if got := both.Decide(now, seq).By; got != want {
			t.Fatalf("packet %d: %v, want %v", seq, got, want)
		}
		if got := open.Decide(now, seq).By; got != timed.Decide(now, seq).By {
			t.Fatalf("packet %d: percent 100 moves it to %v", seq, got)
		}
	}
}
