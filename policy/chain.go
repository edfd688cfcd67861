package policy

import "math/bits"

// Losses with memory are chains of states: the packet before has left one, and the packet's
// draw leads to the next. A program has no memory. So a draw is not taken for a step from one
// state, but for a map, which says of each state what follows it. Some maps lead from all
// states to one, alone or with the maps before them; these make the state known, whatever
// was before. The state of a packet is found by looking back for them:
//
//	draw of packet   997   998   999   1000
//	map              bad   keep  keep  keep      so packet 1000 is in the bad state
//
// The result is exactly the chain, in its stationary distribution from the first packet on,
// and for any packet in any order. A [Memo] makes the look back short.
//
// (This is coupling from the past: Propp, Wilson: Exact sampling with coupled Markov chains,
// Random Structures and Algorithms 9, 1996.)

// Chain is a chain of up to four states, numbered from 0, with one draw for each packet.
type Chain struct {
	Key uint64
	// Bounds divide the draws into parts. They ascend, and are from 0 to [Always].
	Bounds [5]uint64
	// Maps are those of the parts: two bits for each state, those of state 0 lowest. A chain
	// of two states maps state 2 as 0, and 3 as 1.
	Maps [6]uint64
}

// The chains of a program, as they are told apart in a [Memo].
const (
	chainRun = iota
	chainGE
	chainState
)

// The maps of chains of two states: good and bad.
const (
	good = 0
	bad  = 1

	allGood = 0x00
	allBad  = 0x55
	keep    = 0x44
	flip    = 0x11
)

const (
	// maxLook bounds the look back for every program. Of the chains that compile makes, the
	// least forgetful meet the bound with a probability of 10⁻¹⁹.
	maxLook = 1 << 16
	// remembering is how many packets a chain may take to forget, with a probability of one
	// half at most that it takes more.
	remembering = 1000
)

// twoStates returns the chain of two states with these chances to get from the good to the
// bad one, and back. Low draws lead all to the bad state and high ones to the good state; those
// between keep the state, or else flip it. So a higher chance of the bad state, with the same way
// back, loses what a lower one loses, and more, while none flips.
func twoStates(key uint64, enter, leave Chance) Chain {
	low, high, rest := enter, Always-leave, uint64(keep)
	if low > high {
		low, high, rest = high, low, flip
	}
	c := Chain{
		Key:    key,
		Bounds: [5]uint64{uint64(low), uint64(high), uint64(Always), uint64(Always), uint64(Always)},
		Maps:   [6]uint64{allBad, rest, allGood},
	}
	if low == 0 && high == Always { // each draw flips: see eitherState
		c.Bounds[1], c.Maps[2] = 0, flip
	}
	return c
}

// pick returns the map of packet seq.
func (c *Chain) pick(seq uint64) uint64 {
	d := uint64(draw(c.Key, seq))
	m := c.Maps[0]
	for i, bound := range c.Bounds {
		if d >= bound {
			m = c.Maps[i+1]
		}
	}
	return m
}

// follow returns the state to which a map leads from a state.
func follow(m, state uint64) uint64 { return m >> (2 * state) & 3 }

// behind returns the map that is first and then second.
func behind(second, first uint64) (m uint64) {
	for state := uint64(0); state < 4; state++ {
		m |= follow(second, follow(first, state)) << (2 * state)
	}
	return m
}

// forgets reports whether a map leads from all states to one.
func forgets(m uint64) bool { return m == (m&3)*allBad }

// state returns the state of packet seq, for which the chain is told apart by a number.
func (c *Chain) state(memo *Memo, chain, seq uint64) (state uint64) {
	m := c.pick(seq)
	if !forgets(m) {
		m = c.lookBack(memo, chain, seq, m)
	}
	memo.note(chain, seq, m&3)
	return m & 3
}

// lookBack returns a map that leads from all states to that of packet seq, whose map is m.
func (c *Chain) lookBack(memo *Memo, chain, seq, m uint64) uint64 {
	for range maxLook {
		seq--
		if state, known := memo.find(chain, seq); known {
			return follow(m, state) * allBad
		}
		if m = behind(m, c.pick(seq)); forgets(m) {
			break
		}
	}
	return m
}

// eitherState returns the state of packet seq of a chain of two states. If all draws pick one
// map, and it is flip, then each packet leads to the other state, and the key says which is the
// first. If it is another, all packets have one state.
func (c *Chain) eitherState(memo *Memo, chain, seq uint64) uint64 {
	if c.Bounds[1] == 0 {
		return follow(c.Maps[2], (seq^c.Key)&1)
	}
	return c.state(memo, chain, seq)
}

// forgetful reports whether the chain forgets its past soon enough for a look back. It
// computes the chance that some of all states are still apart after so many packets.
func (c *Chain) forgetful() bool {
	const all = 1<<4 - 1
	chances := [all + 1]uint64{all: uint64(Always)} // of the sets of states that are left
	for range remembering {
		var next [all + 1]uint64
		for set, chance := range chances {
			if set&(set-1) == 0 {
				continue
			}
			from := uint64(0)
			for i, m := range c.Maps {
				to := uint64(Always)
				if i < len(c.Bounds) {
					to = c.Bounds[i]
				}
				hi, lo := bits.Mul64(chance, to-from)
				next[image(set, m)] += hi<<32 | lo>>32
				from = to
			}
		}
		chances = next
	}
	apart := uint64(0)
	for set, chance := range chances {
		if set&(set-1) != 0 {
			apart += chance
		}
	}
	return apart <= uint64(Always/2)
}

// image returns the set of states to which a map leads from a set.
func image(set int, m uint64) (to int) {
	for state := range 4 {
		if set&(1<<state) != 0 {
			to |= 1 << follow(m, uint64(state))
		}
	}
	return to
}
