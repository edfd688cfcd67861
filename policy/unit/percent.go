package unit

import (
	"errors"
	"strconv"
	"strings"
)

// Percent is a share from 0 to [Hundred], in millionths of a per cent. The last decimal
// is a probability of 1e-8, which is 43 steps of a draw of 32 bits; finer ones would
// blur.
type Percent uint32

const percentDecimals = 6

// Hundred is all of it: 100 per cent.
const Hundred Percent = 100_000_000

// What can be wrong with a percentage, beside a sign.
var (
	errPercent  = errors.New("must be a decimal number from 0 to 100")
	errDecimals = errors.New("must not have more than 6 decimals")
)

// ParsePercent reads a decimal number from 0 to 100 with at most 6 decimals, with or
// without % behind it.
func ParsePercent(s string) (Percent, error) {
	if hasSign(s) {
		return 0, errSign
	}
	d, rest, ok := cutDecimal(strings.TrimSuffix(s, "%"))
	if !ok || rest != "" {
		return 0, errPercent
	}
	if len(d.frac) > percentDecimals {
		return 0, errDecimals
	}
	// Padded to six decimals, the digits are the number of millionths.
	padded := d.whole + d.frac + strings.Repeat("0", percentDecimals-len(d.frac))
	n, err := strconv.ParseUint(padded, 10, 64)
	if err != nil || n > uint64(Hundred) {
		return 0, errPercent
	}
	return Percent(n), nil
}

// String is the shortest decimal number that says it, without a sign of per cent.
func (p Percent) String() string { return formatDecimal(uint64(p), percentDecimals) }

// Rest is what is missing to 100 per cent.
func (p Percent) Rest() Percent { return Hundred - p }
