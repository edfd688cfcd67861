package unit

import (
	"errors"
	"strconv"
)

// Number is a whole number from 0 to 2⁶⁴−1, such as a number of packets.
type Number uint64

// The errors about a number, besides the sign.
var (
	errNumber = errors.New("must be a whole number")
	errLarge  = errors.New("must not be larger than 18446744073709551615")
)

// ParseNumber reads decimal digits. Anything else is an error.
func ParseNumber(s string) (Number, error) {
	if hasSign(s) {
		return 0, errSign
	}
	if digits, rest := cutDigits(s); digits == "" || rest != "" {
		return 0, errNumber
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, errLarge
	}
	return Number(n), nil
}

// String returns the text that ParseNumber reads.
func (n Number) String() string { return strconv.FormatUint(uint64(n), 10) }

// Ordinal returns the number as an ordinal: 1st, 2nd, 3rd, 4th, 11th, 21st.
func (n Number) Ordinal() string {
	suffix := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return n.String() + suffix
}
