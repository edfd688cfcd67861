package unit

import (
	"errors"
	"strings"
)

// Rate is a number of bits per second.
type Rate uint64

// The units of rates are those of tc(8), with powers of 1000. ParseRate refuses a number
// without a unit, which tc reads as bits. It also refuses bps, kbps and so on: tc reads
// them as bytes, but most people mean bits.
var rates = scale{
	units: []named{{"tbit", 12}, {"gbit", 9}, {"mbit", 6}, {"kbit", 3}, {"bit", 0}},
	fold:  true, // tc ignores case too
	want:  errors.New("must be a rate such as 500kbit, 10mbit or 1.5gbit (bits per second)"),
	whole: errors.New("must be a whole number of bits per second"),
	most:  1_000_000_000_000_000,
	above: errors.New("must not be more than 1000tbit"),
}

var errBytesOrBits = errors.New("must be in bits per second, such as 10mbit: bps is bytes to tc and bits elsewhere")

// ParseRate reads a decimal number of bit, kbit, mbit, gbit or tbit, up to 1000tbit.
func ParseRate(s string) (Rate, error) {
	n, err := rates.parse(s)
	if err == rates.want && strings.HasSuffix(strings.ToLower(s), "bps") {
		err = errBytesOrBits
	}
	return Rate(n), err
}

// String returns the rate in the largest unit that is not larger than the rate: 1.5mbit.
func (r Rate) String() string { return rates.format(uint64(r)) }
