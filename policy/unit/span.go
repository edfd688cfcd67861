package unit

import (
	"errors"
	"strings"
	"time"
)

// Span is a duration from 0 to [MaxSpan], in nanoseconds.
type Span time.Duration

const (
	// MaxSpan, 114 years, is small enough that two of them fit into 63 bits of nanoseconds.
	MaxSpan = Span(1_000_000 * time.Hour)
	// jiffy is the unit of a bare number. The module of 2000 counted the kernel's timer
	// ticks, 100 per second.
	jiffy = 10 * time.Millisecond
)

// The errors about a duration, besides the sign.
var (
	errSpan    = errors.New("must be a duration such as 500ms or 1.5s, or a whole number of jiffies of 10ms")
	errUnit    = errors.New("must have a unit h, m, s, ms, us or ns behind each number")
	errOrder   = errors.New("must have its units once each and in descending order")
	errPrecise = errors.New("must be a whole number of nanoseconds")
	errTooLong = errors.New("must not be longer than 1000000h")
)

// ParseSpan reads a duration in Go's notation, or a whole number of jiffies. It does not
// use time.ParseDuration, which would round.
func ParseSpan(s string) (Span, error) {
	if hasSign(s) {
		return 0, errSign
	}
	if digits, rest := cutDigits(s); digits != "" && rest == "" {
		return decimal{whole: digits}.spans(jiffy)
	}
	var span Span
	above := time.Duration(MaxSpan) // the next unit must be smaller than this
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
		part, err := d.spans(unit)
		if err != nil {
			return 0, err
		}
		if span += part; span > MaxSpan {
			return 0, errTooLong
		}
		if tail == "" {
			return span, nil
		}
		rest, above = tail, unit
	}
}

// cutUnit splits a unit, which ends before the next number, off the front of s. The result
// is 0 if there is no such unit.
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

// spans returns d times the unit.
func (d decimal) spans(unit time.Duration) (Span, error) {
	n, err := d.times(uint64(unit), uint64(MaxSpan), errTooLong, errPrecise)
	return Span(n), err
}

// String returns the duration in Go's notation.
func (s Span) String() string { return time.Duration(s).String() }
