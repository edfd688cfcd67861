package dist

import "math/bits"

// A table has the values of a distribution with mean 0 and standard deviation 1 at some
// ranks. A rank is a 32-bit number: the value at rank q is not exceeded with the
// probability (q + ½)·2⁻³². Between two of these ranks, values lie on a straight line.
//
// The ranks are close to each other where values are far apart, that is in the tails. Each
// half of the ranks is counted from its tail: the ranks 0 to 31, then every second one up
// to 63, every fourth one up to 127 and so on to the middle, 2³¹.

const (
	oneBits = 26
	one     = 1 << oneBits // the unit of values: one standard deviation

	cellBits = 4 // each doubling of the rank has 16 cells
	nodes    = 449
)

// tails are the values at the ranks of one half, from the tail to the middle.
type tails struct{ low, high [nodes]int32 }

// at returns the value at a rank.
func (s Shape) at(rank uint32) int64 {
	if rank < 1<<31 {
		return between(&tables[s].low, rank)
	}
	return between(&tables[s].high, ^rank)
}

// between returns the value at a distance from the tail, which is below 2³¹.
func between(values *[nodes]int32, distance uint32) int64 {
	i, shift := cellOf(distance)
	a, b := int64(values[i]), int64(values[i+1])
	inside := int64(distance & (1<<shift - 1))
	return a + (b-a)*inside>>shift
}

// cellOf returns the cell of a distance, and its width as a power of two.
func cellOf(distance uint32) (i, shift uint32) {
	if distance < 2<<cellBits {
		return distance, 0
	}
	shift = uint32(bits.Len32(distance)) - 1 - cellBits
	return shift<<cellBits + distance>>shift, shift
}

// begin returns the smallest distance of a cell.
func begin(i uint32) uint32 {
	if i < 2<<cellBits {
		return i
	}
	shift := i>>cellBits - 1
	return (i&(1<<cellBits-1) + 1<<cellBits) << shift
}

// cells calls f for each cell of both halves, with the values at its ends and its weight.
// The weights add up to 2³².
func (s Shape) cells(f func(a, b int32, weight uint64)) {
	for _, half := range []*[nodes]int32{&tables[s].low, &tables[s].high} {
		for i := range uint32(nodes - 1) {
			f(half[i], half[i+1], uint64(begin(i+1)-begin(i)))
		}
	}
}
