package stat

import "math"

// Interval returns the exact interval of Clopper and Pearson for the probability of an event
// that has come k times of n: a probability outside of it would give such a k with a chance of
// at most Alpha/2. With n = 0 it is everything.
func Interval(k, n uint64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	a, b := float64(k), float64(n-k)
	low, high = 0, 1
	if k > 0 {
		low = solve(func(p float64) bool { return beta(p, a, b+1) < Alpha/2 })
	}
	if k < n {
		high = solve(func(p float64) bool { return beta(p, a+1, b) < 1-Alpha/2 })
	}
	return low, high
}

// solve returns the largest p from 0 to 1 for which below is true. below is true up to some p.
func solve(below func(p float64) bool) float64 {
	low, high := 0.0, 1.0
	for range 60 {
		if p := (low + high) / 2; below(p) {
			low = p
		} else {
			high = p
		}
	}
	return low
}

// Fits reports whether an event of probability p may come k times of n. The probabilities 0
// and 1 are exact.
func Fits(k, n uint64, p float64) bool {
	switch {
	case p <= 0:
		return k == 0
	case p >= 1:
		return k == n
	}
	low, high := Interval(k, n)
	return low <= p && p <= high
}

// Need returns how many events it takes to tell the probability p from p + error, and from
// p − error. If p is 0 or 1, one event of the other kind suffices.
func Need(p, error float64) uint64 {
	if p <= 0 || p >= 1 {
		return uint64(math.Ceil(math.Log(1000) / error))
	}
	sd := func(p float64) float64 { return math.Sqrt(max(0, p*(1-p))) }
	of := func(q float64) float64 {
		root := (Z*sd(p) + zPower*sd(q)) / error
		return root * root
	}
	most := 0.0
	if p+error < 1 {
		most = of(p + error)
	}
	if p-error > 0 {
		most = max(most, of(p-error))
	}
	// A few events of the rarer kind have to be possible, or the normal distribution misleads.
	return uint64(math.Ceil(max(most, 24/(p+error), 24/(1-p+error))))
}

// Tolerated is the error of a share p that Need is meant for: 2 % of the larger of the two
// shares, so that of "percent 95" it is the difference to percent 93.1.
func Tolerated(p float64) float64 { return 0.02 * max(p, 1-p) }
