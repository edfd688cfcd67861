package line

import (
	"math/bits"

	"github.com/seed-39a139a1/insane/policy"
)

// second is a second in nanoseconds.
const second = 1_000_000_000

// instant is a moment with the part of a nanosecond that a rate leaves over.
type instant struct {
	at   policy.Time // the whole nanoseconds
	rest uint64      // and this many rate-ths of one
}

// ceil is the first whole nanosecond that is not before the instant.
func (i instant) ceil() policy.Time {
	if i.rest > 0 {
		return i.at + 1
	}
	return i.at
}

// after is when n bits that begin at i have left a link of this rate. It is at most never.
func (i instant) after(n, rate uint64) instant {
	hi, lo := bits.Mul64(n, second)
	lo, carry := bits.Add64(lo, i.rest, 0)
	if hi += carry; hi >= rate {
		return instant{at: never}
	}
	whole, rest := bits.Div64(hi, lo, rate)
	if whole >= uint64(never)-uint64(min(i.at, never)) {
		return instant{at: never}
	}
	return instant{at: i.at + policy.Time(whole), rest: rest}
}

// within is how many whole bits a link of this rate carries in a time; at most 2⁶³.
func within(t policy.Time, rate uint64) uint64 {
	const most = 1 << 63
	hi, lo := bits.Mul64(uint64(t), rate)
	if hi >= second {
		return most
	}
	n, _ := bits.Div64(hi, lo, second)
	return min(n, most)
}

// cost is how many bits a packet of this many Ethernet bytes is on the link.
func (s *Settings) cost(bytes uint64) uint64 {
	n := uint64(max(0, int64(bytes)+s.Overhead))
	if s.Cell != 0 {
		n = (n + s.Cell - 1) / s.Cell * (s.Cell + s.CellOverhead)
	}
	return 8 * n
}
