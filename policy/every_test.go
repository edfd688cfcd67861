package policy

import (
	"math"
	"testing"
)

// Exactly each Nth packet is dropped, for every seed and time.
func TestEveryIsExact(t *testing.T) {
	for text, n := range map[string]uint64{"every 1": 1, "every 2": 2, "every 3": 3, "every 45": 45, "every 1000": 1000} {
		for _, seed := range []uint64{0, 1, math.MaxUint64} {
			prog, drops := compile(t, text, 12345, seed), uint64(0)
			for seq := range 100 * n {
				want := Relay
				if (seq+1)%n == 0 {
					want = ByEvery
					drops++
				}
				if got := prog.Decide(Time(seq*seq), seq).By; got != want {
					t.Fatalf("%s: packet %d: %v, want %v", text, seq, got, want)
				}
			}
			if drops != 100 {
				t.Errorf("%s: %d drops in 100 rounds", text, drops)
			}
		}
	}
}

// The edges of the numbers.
func TestEveryEdges(t *testing.T) {
	for _, c := range []struct {
		text string
		seq  uint64
		want Stage
	}{
		{"every 1", math.MaxUint64, ByEvery},
		{"every 2", math.MaxUint64, ByEvery},
		{"every 2", math.MaxUint64 - 1, Relay},
		{"every 18446744073709551615", 0, Relay},
		{"every 18446744073709551615", math.MaxUint64 - 2, Relay},
		{"every 18446744073709551615", math.MaxUint64 - 1, ByEvery},
		{"every 18446744073709551615", math.MaxUint64, Relay},
		{"percent 0 every 1 time 0 1", 5, ByPercent},
		{"percent 100 every 2 time 0 1", 5, ByEvery},
		{"percent 100 every 2 time 0 1", 4, ByTime},
		{"every 3 time 1 0", 2, ByEvery},
	} {
		prog := compile(t, c.text, 0, 1)
		if got := prog.Decide(0, c.seq).By; got != c.want {
			t.Errorf("%s: packet %d: %v, want %v", c.text, c.seq, got, c.want)
		}
	}
}

// Beside percent, the draws stay where they were: what percent drops alone it drops
// beside every, and every drops of the rest its packets.
func TestEveryMovesNoDraw(t *testing.T) {
	alone, both := compile(t, "percent 80", 0, 6), compile(t, "percent 80 every 7", 0, 6)
	for seq := range uint64(100_000) {
		want := alone.Decide(0, seq).By
		if want == Relay && seq%7 == 6 {
			want = ByEvery
		}
		if got := both.Decide(0, seq).By; got != want {
			t.Fatalf("packet %d: %v, want %v", seq, got, want)
		}
	}
}
