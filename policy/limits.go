package policy

import (
	"errors"
	"strings"
	"time"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// The ranges of arguments. They are wide enough for every network, and narrow enough that
// no sum of times and no product of sizes overflows.
const (
	maxWait    = unit.Span(24 * time.Hour) // of one packet, by one stage
	maxCopies  = 100                       // of one packet
	maxFlips   = 100                       // bits of one packet
	maxBehind  = 10_000                    // packets
	maxFraming = 64_000                    // bytes around a packet or a cell
)

var (
	errWait    = errors.New("must not be longer than " + maxWait.String())
	errZero    = errors.New("must be above 0")
	errFraming = errors.New("must not be larger than " + unit.Size(maxFraming).String())
)

// parseWait reads a duration up to maxWait.
func parseWait(s string) (unit.Span, error) {
	span, err := unit.ParseSpan(s)
	if err == nil && span > maxWait {
		return 0, errWait
	}
	return span, err
}

// above0 returns a parser that reads what parse reads and refuses zero.
func above0[T comparable](parse func(string) (T, error)) func(string) (T, error) {
	return func(s string) (value T, err error) {
		var zero T
		if value, err = parse(s); err == nil && value == zero {
			err = errZero
		}
		return value, err
	}
}

// parseUpTo returns a parser for whole numbers from 1 to most.
func parseUpTo(most unit.Number) func(string) (unit.Number, error) {
	return func(s string) (unit.Number, error) {
		n, err := unit.ParseNumber(s)
		if err == nil && (n < 1 || n > most) {
			err = errors.New("must be from 1 to " + most.String())
		}
		return n, err
	}
}

// parseBytes reads a size. Where only bytes can be meant, a bare number is bytes.
func parseBytes(s string) (unit.Size, error) {
	if isDigits(s) {
		s += "B"
	}
	return unit.ParseSize(s)
}

// parseFraming reads a number of bytes up to maxFraming.
func parseFraming(s string) (unit.Size, error) {
	n, err := parseBytes(s)
	if err == nil && n > maxFraming {
		err = errFraming
	}
	return n, err
}

// isDigits reports whether s is a bare number.
func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// counted returns a number with its noun: "1 copy", "2 copies".
func counted(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return unit.Number(n).String() + " " + many
}
