package policy

// Draws are a counter-based use of SplitMix64: number i of a stream is a hash
// of the key and i, so any of them can be had at any time and in any order.
// (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
// OOPSLA 2014; the constants of the finaliser are Stafford's variant 13.)

// gamma is the odd integer nearest to 2⁶⁴ divided by the golden ratio. Being
// odd, its multiples take every 64-bit value before one repeats.
const gamma = 0x9e3779b97f4a7c15

// mix64 is SplitMix64's finaliser: a bijection in which each bit of the
// argument changes about half of the bits of the result.
func mix64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Subseed makes independent seeds of one: index 0 for this, index 1 for that.
// A device needs it to give each of its directions a seed, and Compile uses it
// to give each stage a key. The seed is mixed before the index is added, so that
// no two seeds that a person would choose share the subseeds of each other.
func Subseed(seed, index uint64) uint64 {
	return mix64(mix64(seed+gamma) + index*gamma)
}

// draw is the draw of packet seq under a key, uniform in [0, 2³²). The upper
// half is taken because it is what all bits of the argument reach best.
func draw(key, seq uint64) uint32 {
	return uint32(mix64(key+seq*gamma) >> 32)
}

// Chance is a probability in units of 2⁻³², from 0 to [Always] inclusive. The
// range is closed on purpose: never and always are ordinary values.
type Chance uint64

// Always is the chance that covers every draw.
const Always Chance = 1 << 32

// chance is n/of rounded to the nearest Chance, at most 2⁻³³ off. It wants
// n ≤ of < 2³¹.
func chance(n, of uint64) Chance {
	return Chance((n<<32 + of/2) / of)
}

// covers says whether a draw hits: chance·2⁻³² of all draws do.
func (c Chance) covers(draw uint32) bool { return Chance(draw) < c }
