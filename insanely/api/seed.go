package api

import "strconv"

// WantedSeed returns the seed that a change asks for, from Seed or SeedText; nil if it asks
// for none. The error is an *Error that names the member.
func (c Change) WantedSeed() (*uint64, error) {
	if c.SeedText == nil {
		return c.Seed, nil
	}
	n, err := strconv.ParseUint(*c.SeedText, 10, 64)
	if err != nil {
		return nil, Errorf(ErrInvalid, "seedText", "seedText: %q: want a whole number from 0 to 2^64-1, in digits", *c.SeedText)
	}
	if c.Seed != nil && *c.Seed != n {
		return nil, Errorf(ErrInvalid, "seedText", "seedText: %q: seed is %d, want one of the two, or both the same", *c.SeedText, *c.Seed)
	}
	return &n, nil
}
