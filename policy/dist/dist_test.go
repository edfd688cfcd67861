package dist

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seed-39a139a1/insane/policy/dist/disttest"
)

var all = []Shape{Uniform, Normal, Pareto, ParetoNormal}

// A larger draw is never a smaller value, and the table follows the formula: by less than
// 0.1 % of a standard deviation, or of the value where that is larger.
func TestDrawsFollowTheFormula(t *testing.T) {
	const mean, spread = 1 << 50, 1 << 40
	for _, s := range all {
		var last uint64
		check := func(rank uint32) {
			got := s.Draw(uint64(rank)<<32|1<<31, mean, spread)
			if got < last {
				t.Fatalf("%v: rank %d has %d, less than a lower one", s, rank, got)
			}
			last = got
			p := (float64(rank) + 0.5) / (1 << 32)
			upper := (float64(^rank) + 0.5) / (1 << 32)
			want := disttest.Quantile(s.String(), p, upper)
			if off := (float64(got)-mean)/spread - want; math.Abs(off) > 1e-3*max(1, math.Abs(want)) {
				t.Fatalf("%v: rank %d has %.6f, want %.6f", s, rank, want+off, want)
			}
		}
		for rank := range uint32(1 << 16) {
			check(rank)
		}
		for rank := uint32(1 << 16); rank < math.MaxUint32-1<<17; rank += 65_537 {
			check(rank)
		}
		for rank := uint32(math.MaxUint32 - 1<<16); rank != 0; rank++ { // wraps around behind the last
			check(rank)
		}
	}
}

// The ends of each distribution, to the nanosecond.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		s              Shape
		mean, spread   uint64
		smallest, most uint64
		tolerance      uint64
	}{
		{Uniform, 20_000_000, 5_000_000, 15_000_000, 25_000_000, 0},
		{Uniform, 5, 5, 0, 10, 0},
		{Uniform, 7, 0, 7, 7, 0},
		{Normal, 20_000_000, 1_000_000, 20_000_000 - 6_337_957, 20_000_000 + 6_337_957, 10},
		{Normal, 6_000_000, 1_000_000, 0, 12_337_957, 10},
		{Pareto, 20_000_000, 1_000_000, 19_350_546, 39_052_556, 2000},
		{ParetoNormal, 20_000_000, 0, 20_000_000, 20_000_000, 0},
	} {
		if got := c.s.Draw(0, c.mean, c.spread); got+c.tolerance < c.smallest || got > c.smallest+c.tolerance {
			t.Errorf("%v %d %d: smallest %d, want %d", c.s, c.mean, c.spread, got, c.smallest)
		}
		if got := c.s.Most(c.mean, c.spread); got+c.tolerance < c.most || got > c.most+c.tolerance {
			t.Errorf("%v %d %d: most %d, want %d", c.s, c.mean, c.spread, got, c.most)
		}
	}
	if got := Pareto.Most(0, 1_000_000); got > 19_100_000 || got < 19_000_000 {
		t.Errorf("pareto: at most %d", got)
	}
}

// Mean and standard deviation of many draws, evenly spread over all, are what Moments says,
// and what was asked where nothing is below zero.
func TestMoments(t *testing.T) {
	for _, s := range all {
		for _, c := range []struct{ mean, spread uint64 }{
			{1 << 40, 1 << 30}, {1 << 50, 1 << 42}, {20_000_000, 5_000_000}, {10_000_000, 10_000_000}, {0, 10_000_000}, {1_000_000, 10_000_000}, {5, 0}, {0, 0},
		} {
			m, sd := s.Moments(c.mean, c.spread)
			if s == Uniform && c.spread > c.mean {
				continue // refused in a policy
			}
			sum, squares := 0.0, 0.0
			const n = 1 << 19
			for i := range uint64(n) {
				x := float64(s.Draw(i<<45|1<<44, c.mean, c.spread)) - float64(c.mean)
				sum, squares = sum+x/n, squares+x*x/n
			}
			near := func(what string, got uint64, want float64) {
				if math.Abs(float64(got)-want) > 1e-3*float64(c.spread)+1 {
					t.Errorf("%v, mean %d, spread %d: %s %d, want %.0f", s, c.mean, c.spread, what, got, want)
				}
			}
			near("mean", m, sum+float64(c.mean))
			near("standard deviation", sd, math.Sqrt(squares-sum*sum))
			if s != Uniform && c.mean > 8*c.spread && (m != c.mean || sd != c.spread) {
				t.Errorf("%v: %d and %d, want %d and %d", s, m, sd, c.mean, c.spread)
			}
		}
	}
	near := math.Round(one / math.Sqrt(3))
	if uniformSD != near {
		t.Errorf("uniform: %d, want %.0f", uniformSD, near)
	}
}

// Any arguments have a result.
func TestAnyArguments(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	wide := func() uint64 { return rng.Uint64() >> rng.UintN(64) }
	for range 20_000 {
		s := Shape(rng.UintN(256))
		mean, spread := wide(), wide()
		s.Draw(wide(), mean, spread)
		s.Most(mean, spread)
		s.Moments(mean, spread)
		if s.String() == "" {
			t.Errorf("shape %d has no name", s)
		}
	}
}

func TestNames(t *testing.T) {
	for _, s := range all {
		if got, ok := Named(s.String()); !ok || got != s {
			t.Errorf("%v reads as %v, %v", s, got, ok)
		}
	}
	if _, ok := Named("Normal"); ok {
		t.Error("Normal is a name")
	}
}

// Cells follow each other without a gap, and have all ranks.
func TestCells(t *testing.T) {
	for i := range uint32(nodes - 1) {
		if at, _ := cellOf(begin(i)); at != i {
			t.Errorf("the begin of cell %d is in cell %d", i, at)
		}
		if at, shift := cellOf(begin(i+1) - 1); at != i || 1<<shift != begin(i+1)-begin(i) {
			t.Errorf("the end of cell %d is in cell %d, of 1<<%d", i, at, shift)
		}
	}
	if begin(0) != 0 || begin(nodes-1) != 1<<31 {
		t.Errorf("cells go from %d to %d", begin(0), begin(nodes-1))
	}
}

func TestRoot(t *testing.T) {
	for _, n := range []uint64{0, 1, 2, 3, 4, 8, 9, 10, 99, 100, 1 << 40, 1<<52 - 1, 1 << 62, math.MaxUint64} {
		r := root(n)
		if r*r > n || r < math.MaxUint32 && (r+1)*(r+1) <= n {
			t.Errorf("the root of %d is %d", n, r)
		}
	}
}
