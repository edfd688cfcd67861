// Package disttest has the distributions of package dist as formulas, for tests: of the
// tables, of the draws, and of delays on a wire.
//
// Files:
//
//	disttest.go  Quantile, from closed forms
package disttest

import "math"

// Quantile returns the value that the shape of that name, with mean 0 and spread 1, does not exceed with
// the probability p. upper is 1 − p; with both, values close to either end are exact.
func Quantile(shape string, p, upper float64) float64 {
	switch shape {
	case "normal":
		return normal(p, upper)
	case "pareto":
		return pareto(p, upper)
	case "paretonormal":
		return (normal(p, upper) + 3*pareto(p, upper)) / 4 / mixedSD
	}
	return p - upper // uniform
}

func normal(p, upper float64) float64 {
	if upper < p {
		return -normal(upper, p)
	}
	return -math.Sqrt2 * math.Erfcinv(2*p)
}

// The Pareto distribution with exponent 3 between 1 and largest; above is the probability
// that it would exceed largest if it had no bound.
const (
	largest = 16.0
	above   = 1 / (largest * largest * largest)
)

var (
	paretoMean = 1.5 * (1 - 1/(largest*largest)) / (1 - above)
	paretoSD   = math.Sqrt(3*(1-1/largest)/(1-above) - paretoMean*paretoMean)
)

func pareto(p, upper float64) float64 {
	// Without the bound, the value would be exceeded with the probability upper + above·p.
	return (1/math.Cbrt(upper+above*p) - paretoMean) / paretoSD
}

// mixedSD is the standard deviation of a quarter normal and three quarters Pareto.
var mixedSD = func() float64 {
	var product float64 // the mean of normal times pareto, whose means are 0
	const n = 1 << 20
	for i := range n {
		p := (float64(i) + 0.5) / n
		product += normal(p, 1-p) * pareto(p, 1-p) / n
	}
	return math.Sqrt(1+9+6*product) / 4
}()
