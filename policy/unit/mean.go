package unit

import (
	"errors"
	"strconv"
	"strings"
)

// Mean is a mean number of something, such as of losses in a row, in thousandths.
type Mean uint64

const meanDecimals = 3

// One is a mean of 1, and MaxMean the largest one.
const (
	One     Mean = 1000
	MaxMean Mean = 1_000_000_000_000_000
)

// The errors about a mean, besides the sign.
var (
	errMean      = errors.New("must be a decimal number such as 5 or 1.2")
	errThousands = errors.New("must not have more than 3 decimals")
	errMeanLarge = errors.New("must not be larger than " + MaxMean.String())
)

// ParseMean reads a decimal number from 0 to 10¹² with at most 3 decimals.
func ParseMean(s string) (Mean, error) {
	if hasSign(s) {
		return 0, errSign
	}
	d, rest, ok := cutDecimal(s)
	if !ok || rest != "" {
		return 0, errMean
	}
	if len(d.frac) > meanDecimals {
		return 0, errThousands
	}
	n, err := strconv.ParseUint(d.whole+d.frac+strings.Repeat("0", meanDecimals-len(d.frac)), 10, 64)
	if err != nil || n > uint64(MaxMean) {
		return 0, errMeanLarge
	}
	return Mean(n), nil
}

// String returns the shortest decimal number with this value.
func (m Mean) String() string { return formatDecimal(uint64(m), meanDecimals) }
