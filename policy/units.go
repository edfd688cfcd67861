package policy

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Numbers are read exactly or not at all: no floating point, no rounding, no
// sign, no exponent. time.ParseDuration does round, hence the code below.

const (
	// jiffy is the unit of a bare number. The original counted the
	// kernel's timer ticks, 100 a second.
	jiffy = 10 * time.Millisecond
	// maxSpan, 114 years, bounds a duration such that two of them fit
	// into 63 bits of nanoseconds.
	maxSpan = 1_000_000 * time.Hour
)

// What can be wrong with a number.
var (
	errSign     = errors.New("must not have a sign")
	errPercent  = errors.New("must be a decimal number from 0 to 100")
	errDecimals = errors.New("must not have more than 6 decimals")
	errSpan     = errors.New("must be a duration such as 500ms or 1.5s, or a whole number of jiffies of 10ms")
	errUnit     = errors.New("must have a unit h, m, s, ms, us or ns behind each number")
	errOrder    = errors.New("must have its units once each and in descending order")
	errPrecise  = errors.New("must be a whole number of nanoseconds")
	errTooLong  = errors.New("must not be longer than 1000000h")
)

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

func cutDigits(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(rest)], rest
}

// hasSign says whether a sign is what is wrong with s, to say so.
func hasSign(s string) bool { return strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") }

// parsePercent reads a percentage, with or without %, in millionths of a per cent.
func parsePercent(s string) (uint32, error) {
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
	if err != nil || n > hundred {
		return 0, errPercent
	}
	return uint32(n), nil
}

// parseSpan reads a duration from 0 to maxSpan: Go's notation, or jiffies.
func parseSpan(s string) (time.Duration, error) {
	if hasSign(s) {
		return 0, errSign
	}
	if digits, rest := cutDigits(s); digits != "" && rest == "" {
		return decimal{whole: digits}.times(jiffy)
	}
	var span time.Duration
	above := maxSpan // than which the next unit must be smaller
	for rest := s; ; {
		d, tail, ok := cutDecimal(rest)
		if !ok {
			return 0, errSpan
		}
		unit, tail := cutUnit(tail)
		if unit == 0 {
			return 0, errUnit
		}
		if unit >= above {
			return 0, errOrder
		}
		part, err := d.times(unit)
		if err != nil {
			return 0, err
		}
		if span += part; span > maxSpan {
			return 0, errTooLong
		}
		if tail == "" {
			return span, nil
		}
		rest, above = tail, unit
	}
}

// cutUnit splits a unit, all that stands before the next number, off the front
// of s. It is 0 if there is no such unit.
func cutUnit(s string) (unit time.Duration, rest string) {
	end := strings.IndexAny(s, ".0123456789")
	if end < 0 {
		end = len(s)
	}
	switch s[:end] {
	case "h":
		unit = time.Hour
	case "m":
		unit = time.Minute
	case "s":
		unit = time.Second
	case "ms":
		unit = time.Millisecond
	case "us", "µs", "μs": // U+00B5, which Duration prints, and U+03BC
		unit = time.Microsecond
	case "ns":
		unit = time.Nanosecond
	}
	return unit, s[end:]
}

// times is d units, if that is a whole number of nanoseconds up to maxSpan and
// less than one unit.
func (d decimal) times(unit time.Duration) (time.Duration, error) {
	n, err := strconv.ParseUint(d.whole, 10, 64)
	if err != nil || n > uint64(maxSpan/unit) {
		return 0, errTooLong
	}
	part, ok := fraction(strings.TrimRight(d.frac, "0"), uint64(unit))
	if !ok {
		return 0, errPrecise
	}
	return time.Duration(n)*unit + time.Duration(part), nil
}

// fraction is 0.digits of unit, if that is a whole number. The product may need
// 128 bits: 0.0000000000125h is 45 ns. More than 19 digits are never whole, as
// no unit has so many factors of 2 or 5.
func fraction(digits string, unit uint64) (uint64, bool) {
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
	hi, lo := bits.Mul64(n, unit)
	part, rest := bits.Div64(hi, lo, scale) // n < scale, so hi < scale
	return part, rest == 0
}
