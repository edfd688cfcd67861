// Package dist has the distributions of random delays, in integers: a draw is 64 random
// bits, and the result is a number of nanoseconds. There is no floating point, so that a
// draw gives the same delay on every machine.
//
// Files:
//
//	dist.go     Shape: draws, the largest draw, mean and standard deviation
//	table.go    the inverse of a distribution function, as a table
//	tables.go   the tables; "go test ./policy/dist -update" computes and writes them
package dist

import "math/bits"

// Shape is a distribution. A value that is none of the constants is like Uniform.
type Shape uint8

const (
	// Uniform: every value from mean − spread to mean + spread is equally likely.
	Uniform Shape = iota
	// Normal: the Gaussian distribution; spread is the standard deviation, as below.
	Normal
	// Pareto: a Pareto distribution with exponent 3, which has no value above 16 times its
	// smallest. Most values are a little below the mean, a few are far above: at most 19
	// times the spread.
	Pareto
	// ParetoNormal: each value is a quarter of the normal and three quarters of the Pareto
	// value with the same rank, as in tc(8).
	ParetoNormal
	shapes
)

var names = [shapes]string{"uniform", "normal", "pareto", "paretonormal"}

// String returns the name of the shape: "normal".
func (s Shape) String() string { return names[s%shapes] }

// Named returns the shape with a name.
func Named(name string) (Shape, bool) {
	for s, n := range names {
		if n == name {
			return Shape(s), true
		}
	}
	return Uniform, false
}

// Draw returns the value that belongs to 64 random bits, in the unit of mean and spread.
// Where the distribution goes below zero, the value is 0; then the mean of the values is
// above mean, as Moments says. Mean and spread are at most 2⁵⁷.
func (s Shape) Draw(random, mean, spread uint64) uint64 {
	if s == Uniform || s >= shapes {
		// Uniform over 2·spread + 1 values; no bit is left out.
		offset, _ := bits.Mul64(random, 2*spread+1)
		return subtract(mean+offset, spread)
	}
	x := s.at(uint32(random >> 32))
	if x < 0 {
		return subtract(mean, scale(uint64(-x), spread))
	}
	return mean + scale(uint64(x), spread)
}

// Most returns the largest value that Draw returns for any random bits.
func (s Shape) Most(mean, spread uint64) uint64 { return s.Draw(1<<64-1, mean, spread) }

// Moments returns the mean and the standard deviation of what Draw returns.
func (s Shape) Moments(mean, spread uint64) (m, sd uint64) {
	if s == Uniform || s >= shapes {
		return mean, scale(uniformSD, spread)
	}
	if spread == 0 || mean/spread >= farthest {
		return mean, spread // nothing is below zero
	}
	m, sd = s.clipped(mean, spread)
	return scale(m, spread), scale(sd, spread)
}

// farthest is above the distance of the smallest value from the mean, in spreads.
const farthest = 8

// uniformSD is the standard deviation of the uniform distribution: 1/√3 of its spread.
const uniformSD = 38745321

// scale returns spread times x, which is in units of one, rounded to the nearest.
func scale(x, spread uint64) uint64 {
	hi, lo := bits.Mul64(x, spread)
	lo, carry := bits.Add64(lo, one/2, 0)
	return (hi+carry)<<(64-oneBits) | lo>>oneBits
}

// subtract returns a − b, or 0 if b is larger.
func subtract(a, b uint64) uint64 { return a - min(a, b) }

// clipped returns the mean and the standard deviation of max(0, value), in units of one.
// It goes through the cells of the table, in which values lie on a straight line.
func (s Shape) clipped(mean, spread uint64) (m, sd uint64) {
	hi, lo := bits.Mul64(mean, one)
	center, _ := bits.Div64(hi, lo, spread) // below farthest·one, as mean < farthest·spread
	value := func(x int32) uint64 { return uint64(max(0, int64(center)+int64(x))) }
	var sum uint64 // of twice the values, with the weights of the cells: below 2⁶³
	s.cells(func(a, b int32, weight uint64) { sum += weight * (value(a) + value(b)) })
	m = sum >> 33
	// Squares in units that leave them below 2⁶⁴: E(x−m)² of a straight line from a to b
	// is (a² + ab + b²)/3.
	const coarse = 13
	var squares uint64
	s.cells(func(a, b int32, weight uint64) {
		da, db := (int64(value(a))-int64(m))>>coarse, (int64(value(b))-int64(m))>>coarse
		squares += weight * uint64(da*da+da*db+db*db)
	})
	return m, root((squares / 3) >> 32 << (2 * coarse))
}

// root returns the square root, rounded down.
func root(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	x := uint64(1) << ((bits.Len64(n) + 1) / 2)
	for {
		next := (x + n/x) / 2
		if next >= x {
			return x
		}
		x = next
	}
}
