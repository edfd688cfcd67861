package policy

import (
	"errors"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// A correlation P of draws means: with the probability P, an index keeps the draw of the
// index before, else it has a new one. The distribution of the draws stays what it is, and
// the correlation at a distance of k is Pᵏ. Which index has the last new draw is found by
// looking back, so that the draws are still a function of the index alone.

const (
	// maxCorrelation keeps the mean number of steps back at 100.
	maxCorrelation = unit.Hundred / 100 * 99
	// maxKept bounds the steps back for every program. At the highest correlation the
	// bound is met with a probability of 10⁻¹⁸.
	maxKept = 4096
)

var errCorrelation = errors.New("must not be above 99")

// parseCorrelation reads a correlation in per cent.
func parseCorrelation(s string) (unit.Percent, error) {
	p, err := unit.ParsePercent(s)
	if err == nil && p > maxCorrelation {
		err = errCorrelation
	}
	return p, err
}

// lastDraw returns the last index, from the given one back to 0, that does not keep the
// draw of the index before.
func lastDraw(key, index uint64, keep Chance) uint64 {
	for range maxKept {
		if index == 0 || !keep.covers(draw(key, index)) {
			break
		}
		index--
	}
	return index
}
