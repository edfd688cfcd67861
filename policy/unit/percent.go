package unit

import (
	"errors"
	"strconv"
	"strings"
)

// Percent is a share from 0 to [Hundred], in millionths of a per cent. The last decimal is
// a probability of 1e-8, which is 43 steps of a 32-bit draw; smaller steps would not be
// exact.
type Percent uint32

const percentDecimals = 6

// Hundred is 100 per cent.
const Hundred Percent = 100_000_000

// The errors about a percentage, besides the sign.
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

// String returns the shortest decimal number with this value, without a per cent sign.
func (p Percent) String() string { return formatDecimal(uint64(p), percentDecimals) }

// Rest returns the difference to 100 per cent.
func (p Percent) Rest() Percent { return Hundred - p }
