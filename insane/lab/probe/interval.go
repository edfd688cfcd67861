package probe

import "math"

// Alpha is the probability that a correct result is called wrong by chance.
const Alpha = 1e-5

// Interval returns the exact two-sided binomial interval, for n packets that are relayed
// with probability p each. Fewer than lo packets are relayed with a probability of at most
// alpha/2, and so are more than hi; no narrower interval has this property. It is [0,0] for
// p = 0 and [n,n] for p = 1, without rounding. p must be in [0,1] and alpha in (0,1).
func Interval(n uint64, p, alpha float64) (lo, hi uint64) {
	// More than hi relayed is fewer than n-hi dropped.
	return lowest(n, p, alpha/2), n - lowest(n, 1-p, alpha/2)
}

// lowest returns the largest k with P(X < k) ≤ tail, for binomial X with n and p.
func lowest(n uint64, p, tail float64) uint64 {
	switch p {
	case 0:
		return 0
	case 1:
		return n
	}
	// Begin where the omitted terms are too small for a float64: by Chernoff's bound, their
	// sum is less than 1e-40.
	mean := float64(n) * p
	start := mean - 40*math.Sqrt(mean*(1-p)) - 40
	sum := 0.0
	for k := uint64(max(0, start)); k <= n; k++ {
		sum += probability(n, k, p)
		if sum > tail {
			return k
		}
	}
	return n
}

// probability returns P(X = k). It uses logarithms of the gamma function, because the
// factorials are out of range.
func probability(n, k uint64, p float64) float64 {
	all, yes, no := float64(n), float64(k), float64(n-k)
	choose := logFactorial(all) - logFactorial(yes) - logFactorial(no)
	return math.Exp(choose + yes*math.Log(p) + no*math.Log1p(-p))
}

func logFactorial(x float64) float64 {
	value, _ := math.Lgamma(x + 1)
	return value
}
