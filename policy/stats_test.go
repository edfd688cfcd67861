package policy

import (
	"math"
	"math/bits"
	"testing"
)

// The tests of chance. Each returns a p-value: how likely a result at least as
// strange is if the hypothesis holds. stats_known_test.go holds them against
// published values and shows them bad generators.

// alpha is the significance of one assertion. Seeds are fixed, so a test that
// has passed once passes always; alpha only says how strange a draw may look.
const alpha = 1e-5

// accept fails the test if the p-value says that the hypothesis is false.
func accept(t *testing.T, p float64, format string, args ...any) {
	t.Helper()
	if !(p >= alpha) { // also catches NaN
		t.Errorf("p = %.3g < %g: "+format, append([]any{p, alpha}, args...)...)
	}
}

// binomialPMF is P(X = k) for X ~ Binomial(n, p).
func binomialPMF(k, n int, p float64) float64 {
	if k < 0 || k > n {
		return 0
	}
	lg := func(x int) float64 { l, _ := math.Lgamma(float64(x) + 1); return l }
	return math.Exp(lg(n) - lg(k) - lg(n-k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

// binomialLower is P(X ≤ k). It sums the side of k that lies away from the
// mean, where the terms fall and the sum keeps its precision.
func binomialLower(k, n int, p float64) float64 {
	if float64(k) > float64(n)*p {
		return 1 - binomialLower(n-k-1, n, 1-p)
	}
	sum := 0.0
	for term := binomialPMF(k, n, p); k >= 0 && term > sum*1e-17; k-- {
		sum += term
		term *= float64(k) / float64(n-k+1) * (1 - p) / p
	}
	return sum
}

// binomialP is the exact two-sided test of k hits in n trials against p:
// twice the smaller tail.
func binomialP(k, n int, p float64) float64 {
	lower, upper := binomialLower(k, n, p), binomialLower(n-k, n, 1-p)
	return min(1, 2*min(lower, upper))
}

// normalP is the two-sided p-value of a standard normal z.
func normalP(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// chiSquareP is P(X ≥ x) for X ~ χ² with df degrees of freedom: the upper
// regularised incomplete gamma function Q(df/2, x/2), by its series below the
// mean and by its continued fraction above (Abramowitz, Stegun 6.5.29, 6.5.31).
func chiSquareP(x float64, df int) float64 {
	a, z := float64(df)/2, x/2
	lg, _ := math.Lgamma(a)
	scale := math.Exp(a*math.Log(z) - z - lg)
	if z < a+1 {
		sum := 0.0
		for n, term := 0, 1/a; term > sum*1e-17; n++ {
			sum += term
			term *= z / (a + float64(n) + 1)
		}
		return 1 - scale*sum
	}
	fraction := 0.0 // from the far end: enough terms for every use here
	for n := 2000.0; n >= 1; n-- {
		fraction = n * (n - a) / (z + 2*n + 1 - a - fraction)
	}
	return scale / (z + 1 - a - fraction)
}

// contingencyP tests rows and columns of a table of counts for independence.
func contingencyP(table [][]int) float64 {
	rows, cols, n := make([]int, len(table)), make([]int, len(table[0])), 0
	for i, row := range table {
		for j, count := range row {
			rows[i] += count
			cols[j] += count
			n += count
		}
	}
	x := 0.0
	for i, row := range table {
		for j, count := range row {
			want := float64(rows[i]) * float64(cols[j]) / float64(n)
			x += (float64(count) - want) * (float64(count) - want) / want
		}
	}
	return chiSquareP(x, (len(rows)-1)*(len(cols)-1))
}

// uniformP tests counts for being draws from equally likely bins.
func uniformP(counts []int) float64 {
	n := 0
	for _, c := range counts {
		n += c
	}
	want, x := float64(n)/float64(len(counts)), 0.0
	for _, c := range counts {
		x += (float64(c) - want) * (float64(c) - want) / want
	}
	return chiSquareP(x, len(counts)-1)
}

// many is how many packets or rounds a test goes through: n, or as many as the
// race detector lets pass in the time.
func many(n int) int { return n / raceDivisor }

// verdicts is a trace of verdicts, packet by packet. 1 is a drop.
type verdicts []uint8

// decide is the trace of n packets from number 0 on at one time.
func decide(prog Program, now Time, n int) verdicts {
	v := make(verdicts, n)
	for i := range v {
		v[i] = uint8(prog.Decide(now, uint64(i)).By)
	}
	return v
}

func (v verdicts) drops() int {
	n := 0
	for _, x := range v {
		n += int(x)
	}
	return n
}

// runsP is the Wald–Wolfowitz test: given how many of each verdict there are,
// the number of runs of equal ones is what random order gives.
func (v verdicts) runsP() float64 {
	runs := 1
	for i := 1; i < len(v); i++ {
		if v[i] != v[i-1] {
			runs++
		}
	}
	n, a := float64(len(v)), float64(v.drops())
	b := n - a
	mean := 2*a*b/n + 1
	variance := (mean - 1) * (mean - 2) / (n - 1)
	return normalP((float64(runs) - mean) / math.Sqrt(variance))
}

// ljungBoxP tests that no autocorrelation at lags 1 to lags is left:
// n(n+2) Σ r²/(n−lag) ~ χ²(lags). The verdicts are packed 64 to a word, which
// makes counting pairs of drops at a distance cheap.
func (v verdicts) ljungBoxP(lags int) float64 {
	words := make([]uint64, len(v)/64+2+lags/64)
	for i, x := range v {
		words[i/64] |= uint64(x) << (i % 64)
	}
	n, total := float64(len(v)), v.drops()
	mean := float64(total) / n
	q, head, tail := 0.0, total, total // drops in all but the last, the first lag packets
	for lag := 1; lag <= lags; lag++ {
		head -= int(v[len(v)-lag])
		tail -= int(v[lag-1])
		pairs := 0
		for i := 0; i <= len(v)/64; i++ {
			at, by := i+lag/64, lag%64
			shifted := words[at]>>by | words[at+1]<<(64-by)
			pairs += bits.OnesCount64(words[i] & shifted)
		}
		left := n - float64(lag)
		cov := float64(pairs) - mean*float64(head+tail) + left*mean*mean
		r := cov / (n * mean * (1 - mean))
		q += r * r / left
	}
	return chiSquareP(n*(n+2)*q, lags)
}
