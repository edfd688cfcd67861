package unit

import "strings"

// scale is the set of units of a quantity, largest first. Each unit is the smallest one,
// which is 1, times a power of ten.
type scale struct {
	units []named
	fold  bool  // ignore the case of letters in a unit
	want  error // the text is no such quantity
	whole error // it is no whole number of the smallest unit
	most  uint64
	above error // it is larger than most
}

// named is a unit: its name and its size as a power of ten.
type named struct {
	name   string
	digits int
}

// parse reads a decimal number with a unit behind it, with no space in between.
func (s *scale) parse(text string) (uint64, error) {
	if hasSign(text) {
		return 0, errSign
	}
	d, name, ok := cutDecimal(text)
	if !ok {
		return 0, s.want
	}
	if s.fold {
		name = strings.ToLower(name)
	}
	for _, u := range s.units {
		if u.name != name {
			continue
		}
		n, err := d.times(pow10(u.digits), s.most, s.above, s.whole)
		if err == nil && n > s.most {
			err = s.above
		}
		if err != nil {
			return 0, err
		}
		return n, nil
	}
	return 0, s.want
}

// format prints n in the largest unit that is not larger, as a decimal number.
func (s *scale) format(n uint64) string {
	u := s.units[len(s.units)-1]
	for _, larger := range s.units {
		if n >= pow10(larger.digits) {
			u = larger
			break
		}
	}
	return formatDecimal(n, u.digits) + u.name
}

// pow10 is a power of ten, up to 10¹⁹.
func pow10(digits int) uint64 {
	n := uint64(1)
	for range digits {
		n *= 10
	}
	return n
}
