package probe

import (
	"fmt"
	"math/big"
	"testing"
)

// Computed once in exact integer arithmetic by another program.
func TestIntervalKnownValues(t *testing.T) {
	for _, tt := range []struct {
		n        uint64
		p, alpha float64
		lo, hi   uint64
	}{
		{10, 0.5, 0.05, 2, 8},
		{10, 0.5, 1e-5, 0, 10},
		{1, 0.5, 0.05, 0, 1},
		{100, 0.01, 1e-5, 0, 8},
		{1000, 0.999, 1e-5, 992, 1000},
		{5000, 0.5, 1e-5, 2344, 2656},
		{20000, 0.8, 1e-5, 15748, 16248},
		{20000, 0.333, 1e-5, 6367, 6955},
		{20000, 0.5, 1e-5, 9688, 10312},
		{20000, 0.6, 1e-5, 11693, 12305},
		{20000, 0, 1e-5, 0, 0},
		{20000, 1, 1e-5, 20000, 20000},
		{0, 0.5, 1e-5, 0, 0},
	} {
		lo, hi := Interval(tt.n, tt.p, tt.alpha)
		if lo != tt.lo || hi != tt.hi {
			t.Errorf("n %d, p %v, alpha %v: [%d,%d], want [%d,%d]", tt.n, tt.p, tt.alpha, lo, hi, tt.lo, tt.hi)
		}
	}
}

// Against the definition, in rational arithmetic: outside is at most alpha/2 on
// either side, and one further in would be more.
func TestIntervalIsExact(t *testing.T) {
	for _, n := range []int64{1, 2, 7, 40, 150} {
		for _, p := range []float64{1.0 / 1024, 0.125, 0.5, 0.75, 1023.0 / 1024} {
			for _, alpha := range []float64{0.5, 1.0 / 16, 1.0 / 65536} {
				t.Run(fmt.Sprint(n, p, alpha), func(t *testing.T) {
					lo, hi := Interval(uint64(n), p, alpha)
					half := new(big.Rat).SetFloat64(alpha / 2)
					below, above := tails(n, p, int64(lo)), tails(n, 1-p, n-int64(hi))
					if below[0].Cmp(half) > 0 || above[0].Cmp(half) > 0 {
						t.Errorf("[%d,%d] is too narrow", lo, hi)
					}
					if below[1].Cmp(half) <= 0 || above[1].Cmp(half) <= 0 {
						t.Errorf("[%d,%d] is too wide", lo, hi)
					}
				})
			}
		}
	}
}

// tails is P(X < k) and P(X < k+1), exactly.
func tails(n int64, p float64, k int64) [2]*big.Rat {
	yes := new(big.Rat).SetFloat64(p)
	no := new(big.Rat).Sub(big.NewRat(1, 1), yes)
	sum := new(big.Rat)
	var tails [2]*big.Rat
	for i := int64(0); i <= k; i++ {
		if i == k {
			tails[0] = new(big.Rat).Set(sum)
		}
		term := new(big.Rat).SetInt(new(big.Int).Binomial(n, i))
		for range i {
			term.Mul(term, yes)
		}
		for range n - i {
			term.Mul(term, no)
		}
		sum.Add(sum, term)
	}
	tails[1] = sum
	return tails
}

// Both ends are the same function seen from the two sides.
func TestIntervalIsSymmetric(t *testing.T) {
	for _, n := range []uint64{3, 999, 1_000_000} {
		lo, hi := Interval(n, 0.25, Alpha)
		mirrorLo, mirrorHi := Interval(n, 0.75, Alpha)
		if mirrorLo != n-hi || mirrorHi != n-lo {
			t.Errorf("n %d: [%d,%d] and [%d,%d]", n, lo, hi, mirrorLo, mirrorHi)
		}
	}
}
