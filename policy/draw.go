package policy

import "math/bits"

// Draws use SplitMix64 with a counter: number i of a stream is a hash of the key and i, so
// each number can be computed at any time and in any order. (Steele, Lea, Flood: Fast
// Splittable Pseudorandom Number Generators, OOPSLA 2014; the constants of the finaliser
// are Stafford's variant 13.)

// gamma is the odd integer nearest to 2⁶⁴ divided by the golden ratio. Because it is odd,
// its multiples take every 64-bit value before one repeats.
const gamma = 0x9e3779b97f4a7c15

// mix64 is SplitMix64's finaliser: a bijection in which each bit of the
// argument changes about half of the bits of the result.
func mix64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Subseed makes independent seeds from one seed, one for each index. A device uses it to
// give each direction a seed, and Compile uses it to give each stage a key. It mixes the
// seed before it adds the index, so that two seeds that a user would choose never share a
// subseed.
func Subseed(seed, index uint64) uint64 {
	return mix64(mix64(seed+gamma) + index*gamma)
}

// draw returns the draw of packet seq under a key, uniform in [0, 2³²). It uses the upper
// half of the hash, because all bits of the argument affect that half best.
func draw(key, seq uint64) uint32 {
	return uint32(mix64(key+seq*gamma) >> 32)
}

// hash returns 64 random bits for an index under a key. draw is its upper half.
func hash(key, index uint64) uint64 { return mix64(key + index*gamma) }

// subkey returns one of several keys of a stage, for its draws number 1, 2 and so on of one
// packet. The key itself is for the first draw, number 0.
func subkey(key, number uint64) uint64 { return mix64(key + number*gamma) }

// copyKey returns the key for the draws of a copy of a packet. Ordinal 0 is the packet
// itself.
func copyKey(key uint64, ordinal uint32) uint64 {
	if ordinal == 0 {
		return key
	}
	return mix64(key ^ mix64(uint64(ordinal)))
}

// within returns the number in [0, n) that belongs to 64 random bits. The numbers are
// equally likely, to n·2⁻⁶⁴.
func within(random, n uint64) uint64 {
	hi, _ := bits.Mul64(random, n)
	return hi
}

// Chance is a probability in units of 2⁻³², from 0 to [Always] inclusive. The
// range is closed on purpose: never and always are ordinary values.
type Chance uint64

// Always is the chance that covers every draw.
const Always Chance = 1 << 32

// chance returns n/of, rounded to the nearest Chance; the error is at most 2⁻³³. It
// requires n ≤ of < 2³¹.
func chance(n, of uint64) Chance {
	return Chance((n<<32 + of/2) / of)
}

// covers reports whether a draw is below the chance; this is true for chance·2⁻³² of all
// draws.
func (c Chance) covers(draw uint32) bool { return Chance(draw) < c }

// RuleSeed returns the seed of a rule, with which its policy is compiled, from the seed of the
// direction. The direction's own policy has the seed of the direction itself.
func RuleSeed(seed uint64, name string) uint64 {
	// The top bit keeps the indexes of rules apart from those of stages and directions.
	return Subseed(seed, nameHash(name)|1<<63)
}

// nameHash is FNV-1a (draft-eastlake-fnv). Recorded seeds depend on it, so it never changes.
func nameHash(name string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	return h
}
