package stat

import (
	"math"
	"slices"
)

// Sample is a list of measured numbers in order of their size.
type Sample []float64

// Sorted makes a sample of a list, which it sorts.
func Sorted(list []float64) Sample {
	slices.Sort(list)
	return list
}

// Quantile returns the smallest number that a share q of the sample does not exceed; 0 of an
// empty one.
func (s Sample) Quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	return s[min(len(s)-1, max(0, int(math.Ceil(q*float64(len(s))))-1))]
}

// Moments returns mean and standard deviation.
func (s Sample) Moments() (mean, spread float64) {
	for _, x := range s {
		mean += x
	}
	mean /= float64(max(1, len(s)))
	for _, x := range s {
		spread += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(spread / float64(max(1, len(s)-1)))
}

// Width returns how far the mean of n numbers with a standard deviation may be off.
func Width(n, spread float64) float64 { return widened(n) * spread / math.Sqrt(max(1, n)) }

// NeedMean returns how many numbers it takes to tell their mean from one that is off by error.
func NeedMean(spread, error float64) uint64 {
	root := (Z + zPower) * spread / error
	return uint64(math.Ceil(max(Fewest, root*root)))
}

// Beyond returns how far the distribution of the sample lies above and below that of a
// function, in the manner of Kolmogorov and Smirnov, where every number may be up to late too
// large. cdf(x) is the probability of a number of at most x.
func (s Sample) Beyond(cdf func(x float64) float64, late float64) (distance float64) {
	n := float64(len(s))
	for i, x := range s {
		// Too many small ones; then too many large ones.
		distance = max(distance, float64(i+1)/n-cdf(x), cdf(x-late)-float64(i)/n)
	}
	return distance
}

// Distance returns the largest distance of Beyond that n independent numbers may have.
func Distance(n float64) float64 {
	return math.Sqrt(-math.Log(Alpha/2)/2) / math.Sqrt(max(1, n))
}
