package stat

import "math"

// Runs are the runs of events in a row: how many there are, and how many are to be expected
// of events that know nothing of each other.
type Runs struct {
	Seen     uint64
	Expected float64
	Spread   float64 // standard deviation
	Fits     bool
}

// CountRuns counts the runs of true.
func CountRuns(events []bool) (runs uint64) {
	before := false
	for _, e := range events {
		if e && !before {
			runs++
		}
		before = e
	}
	return runs
}

// TestRuns is the test of Wald and Wolfowitz for the runs of one kind: of hit events among n,
// all orders are equally likely, so that the number of their runs is hypergeometric. It is
// exact.
func TestRuns(runs, hit, n uint64) Runs {
	if hit == 0 || n < 2 {
		return Runs{Seen: runs, Expected: float64(hit), Fits: true}
	}
	h, m, all := float64(hit), float64(n-hit), float64(n)
	r := Runs{Seen: runs, Expected: h * (m + 1) / all}
	r.Spread = math.Sqrt(h * (h - 1) * (m + 1) * m / (all * all * (all - 1)))
	// The runs are as the hits among m+1 marked ones when hit of all are drawn.
	tail := func(from, to float64) (sum float64) {
		for x := from; x <= to; x++ {
			sum += math.Exp(choose(m+1, x) + choose(h-1, h-x) - choose(all, h))
		}
		return sum
	}
	seen := float64(runs)
	if seen < r.Expected {
		r.Fits = tail(1, seen) > Alpha/2
	} else {
		r.Fits = tail(seen, min(h, m+1)) > Alpha/2
	}
	return r
}

// choose returns the logarithm of the number of ways to choose k of n.
func choose(n, k float64) float64 {
	if k < 0 || k > n {
		return math.Inf(-1)
	}
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return a - b - c
}
