package unit

import "errors"

// Size is a number of bytes.
type Size uint64

// kB is 1000 bytes and MB is 1000 kB, as everywhere except in tc.
var sizes = scale{
	units: []named{{"GB", 9}, {"MB", 6}, {"kB", 3}, {"B", 0}},
	want:  errors.New("must be a size such as 1500B, 64kB or 1.5MB"),
	whole: errors.New("must be a whole number of bytes"),
	most:  1_000_000_000_000_000,
	above: errors.New("must not be larger than 1000000GB"),
}

// ParseSize reads a decimal number of B, kB, MB or GB, up to 10¹⁵ bytes. A bare number
// is refused: where a stage takes sizes, it may also be a number of packets.
func ParseSize(s string) (Size, error) {
	n, err := sizes.parse(s)
	return Size(n), err
}

// String returns the size in the largest unit that is not larger than the size: 1.5MB.
func (s Size) String() string { return sizes.format(uint64(s)) }
