package unit

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
)

// errSign is the error for a number that begins with + or -.
var errSign = errors.New("must not have a sign")

// hasSign reports whether s begins with a sign, so that the error can say so.
func hasSign(s string) bool { return strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") }

// decimal is a number as it was written: digits, and digits behind the point.
type decimal struct{ whole, frac string }

// cutDecimal splits a decimal number off the front of s. There must be a digit
// behind a point, but there need not be one before it.
func cutDecimal(s string) (d decimal, rest string, ok bool) {
	d.whole, rest = cutDigits(s)
	if strings.HasPrefix(rest, ".") {
		d.frac, rest = cutDigits(rest[1:])
		ok = d.frac != ""
	} else {
		ok = d.whole != ""
	}
	if d.whole == "" {
		d.whole = "0"
	}
	return d, rest, ok
}

// cutDigits splits the decimal digits off the front of s.
func cutDigits(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(rest)], rest
}

// times returns d times size; d times size must be at most most, plus less than one unit.
// tooLong is the error if the whole part alone exceeds most. unclean is the error if the
// result is not a whole number.
func (d decimal) times(size, most uint64, tooLong, unclean error) (uint64, error) {
	n, err := strconv.ParseUint(d.whole, 10, 64)
	if err != nil || n > most/size {
		return 0, tooLong
	}
	part, ok := fraction(strings.TrimRight(d.frac, "0"), size)
	if !ok {
		return 0, unclean
	}
	return n*size + part, nil
}

// fraction returns 0.digits times size, if that is a whole number. The product may need 128
// bits: 0.0000000000125h is 45 ns. More than 19 digits never give a whole number, because
// no unit has so many factors of 2 or 5.
func fraction(digits string, size uint64) (uint64, bool) {
	if digits == "" {
		return 0, true
	}
	if len(digits) > 19 {
		return 0, false
	}
	n, _ := strconv.ParseUint(digits, 10, 64) // 19 digits fit
	scale := uint64(1)
	for range digits {
		scale *= 10
	}
	hi, lo := bits.Mul64(n, size)
	part, rest := bits.Div64(hi, lo, scale) // n < scale, so hi < scale
	return part, rest == 0
}

// formatDecimal writes n with its last decimals digits behind the point, without trailing
// zeros.
func formatDecimal(n uint64, decimals int) string {
	digits := strconv.FormatUint(n, 10)
	if missing := decimals + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - decimals
	return strings.TrimSuffix(strings.TrimRight(digits[:point]+"."+digits[point:], "0"), ".")
}
