package policy

import (
	"math"
	"math/rand/v2"
	"testing"
)

// near fails unless got is want to a relative precision.
func near(t *testing.T, what string, got, want, precision float64) {
	t.Helper()
	if !(math.Abs(got-want) <= precision*math.Abs(want)) {
		t.Errorf("%s = %.10g, want %.10g", what, got, want)
	}
}

// The sums were made with exact fractions and 40 decimal digits.
func TestBinomialKnown(t *testing.T) {
	for _, c := range []struct {
		k, n    int
		p, want float64
	}{
		{2, 10, 0.5, 56.0 / 1024},
		{4, 20, 0.1, 0.95682550472},
		{10, 100, 0.1, 0.58315551227},
		{0, 100, 0.01, math.Pow(0.99, 100)},
		{50, 100, 0.5, 0.53979461869},
		{497_800, 1_000_000, 0.5, 5.4373727962e-6},
		{98_700, 1_000_000, 0.1, 7.1368711679e-6},
		{9_800, 1_000_000, 0.01, 2.2212510365e-2},
		{9_750, 10_000_000, 0.001, 6.1215930981e-3},
		{860, 10_000_000, 0.0001, 3.1625069960e-6},
	} {
		near(t, "P(X ≤ k)", binomialLower(c.k, c.n, c.p), c.want, 1e-6)
		upper := binomialLower(c.n-c.k-1, c.n, 1-c.p)
		near(t, "P(X ≤ k) + P(X > k)", binomialLower(c.k, c.n, c.p)+upper, 1, 1e-6)
	}
}

// The widest deviations that pass, in percentage points, as they follow from
// the binomial distribution at α = 1e-5. An error that widened the test by a
// tenth would show here.
func TestBinomialHalfWidth(t *testing.T) {
	for _, c := range []struct {
		n       int
		p, want float64
	}{
		{1_000_000, 0.5, 0.221},
		{1_000_000, 0.1, 0.133},
		{1_000_000, 0.01, 0.044},
		{10_000_000, 0.001, 0.0044},
		{10_000_000, 0.0001, 0.0014},
	} {
		mean, d := int(float64(c.n)*c.p), 0
		for binomialP(mean+d+1, c.n, c.p) >= alpha {
			d++
		}
		near(t, "half-width", 100*float64(d)/float64(c.n), c.want, 0.03)
	}
}

// Critical values as they stand in every table of these distributions.
func TestNormalAndChiSquareKnown(t *testing.T) {
	near(t, "normal 1.959964", normalP(1.959964), 0.05, 1e-6)
	near(t, "normal -4.417173", normalP(-4.417173), 1e-5, 1e-5)
	for _, c := range []struct {
		df   int
		x, p float64
	}{
		{1, 3.841459, 0.05}, {1, 0.00393214, 0.95}, {2, 13.815511, 0.001},
		{10, 18.307038, 0.05}, {10, 3.940299, 0.95}, {100, 124.342113, 0.05}, {100, 77.929465, 0.95},
		{100, 149.449253, 0.001}, {255, 293.247835, 0.05},
	} {
		near(t, "chi square", chiSquareP(c.x, c.df), c.p, 1e-5)
	}
}

// Sequences with a fault that the tests are there to find, and a good one.
func TestStatisticsTellGoodFromBad(t *testing.T) {
	const n = 1_000_000
	rng := rand.New(rand.NewPCG(1, 2))
	good, late, sticky, cyclic := make(verdicts, n), make(verdicts, n), make(verdicts, n), make(verdicts, n)
	lcg := uint32(1)
	for i := range n {
		good[i] = uint8(rng.UintN(2))
		late[i] = good[i]
		if i >= 100 && rng.UintN(50) == 0 {
			late[i] = late[i-100] // 2 % of packets repeat an old verdict
		}
		sticky[i] = good[i]
		if i > 0 && rng.UintN(50) == 0 {
			sticky[i] = sticky[i-1]
		}
		lcg = lcg*1103515245 + 12345
		cyclic[i] = uint8(lcg >> 1 & 1) // a low bit of a congruential generator: period 4
	}
	for _, c := range []struct {
		name string
		v    verdicts
		p    func(verdicts) float64
		good bool
	}{
		{"runs/good", good, verdicts.runsP, true},
		{"runs/sticky", sticky, verdicts.runsP, false},
		{"ljungbox/good", good, func(v verdicts) float64 { return v.ljungBoxP(100) }, true},
		{"ljungbox/late", late, func(v verdicts) float64 { return v.ljungBoxP(100) }, false},
		{"ljungbox/late, too few lags", late, func(v verdicts) float64 { return v.ljungBoxP(99) }, true},
		{"ljungbox/sticky", sticky, func(v verdicts) float64 { return v.ljungBoxP(100) }, false},
		{"ljungbox/cyclic", cyclic, func(v verdicts) float64 { return v.ljungBoxP(100) }, false},
		{"queues/good", good, func(v verdicts) float64 { return v.queuesP(4) }, true},
		{"queues/cyclic", cyclic, func(v verdicts) float64 { return v.queuesP(4) }, false},
	} {
		if p := c.p(c.v); (p >= alpha) != c.good {
			t.Errorf("%s: p = %.3g", c.name, p)
		}
	}
}
