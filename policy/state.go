package policy

import (
	"math/bits"
	"slices"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// The stage "state P13 [P31 [P32 [P23 [P14]]]]" is the chain of four states of tc, with its
// order and defaults, in per cent. In state 1 packets are relayed; in state 3 they are lost,
// and in state 2 relayed, within a burst; state 4 is a single loss between bursts, always
// followed by state 1. Pab is the chance to get from state a to b. What is left out makes it a
// simpler model: P13 alone loses P13 per cent of the packets, each by itself (Bernoulli, as P31
// is 100−P13); with P31 it has two states, with P32 and P23 three (P23 is 100 by default).

// states has the stage's settings.
type states struct {
	set                     bool
	p13, p31, p32, p23, p14 unit.Percent
}

func (s *states) given() bool { return s.set }

func (s *states) parse(c *cursor) {
	*s = states{set: true, p13: take(c, "P13", unit.ParsePercent), p23: unit.Hundred}
	s.p31 = s.p13.Rest()
	for _, next := range []struct {
		name  string
		value *unit.Percent
	}{{"P31", &s.p31}, {"P32", &s.p32}, {"P23", &s.p23}, {"P14", &s.p14}} {
		if c.argument() {
			*next.value = take(c, next.name, unit.ParsePercent)
		}
	}
	switch {
	case s.p13+s.p14 > unit.Hundred:
		c.refuse("P13 and P14, the chances to leave state 1, are above 100 together")
	case s.p31+s.p32 > unit.Hundred:
		c.refuse("P31 and P32, the chances to leave state 3, are above 100 together")
	case c.refused == nil && !c.incomplete && !s.forgetful():
		c.refuse("the chain remembers its past for too long: states must change more often, or less regularly")
	}
}

// forgetful reports whether the chain forgets its past soon enough.
func (s *states) forgetful() bool {
	chain := s.chain(0)
	return chain.forgetful()
}

func (s *states) words() string {
	return percents([]unit.Percent{s.p13, s.p31, s.p32, s.p23, s.p14},
		[]unit.Percent{s.p13, s.p13.Rest(), 0, unit.Hundred, 0})
}

func (s *states) compile(prog *Program, _ Time, key uint64) { prog.State = s.chain(key) }

// chain returns the chain; state number n of tc is n−1. Low draws lead to state 3 from
// where that is possible, and high draws to state 1, so that many maps lead different states
// to one.
func (s *states) chain(key uint64) Chain {
	p13, p23 := uint64(chanceOf(s.p13)), uint64(chanceOf(s.p23))
	p14 := uint64(chanceOf(s.p14 + s.p13))                // from state 1 to 3 or 4
	p32 := uint64(Always) - uint64(chanceOf(s.p31))       // from state 3 to 3 or 2
	p33 := uint64(Always) - uint64(chanceOf(s.p31+s.p32)) // from state 3 to 3
	c := Chain{Key: key, Bounds: [5]uint64{p13, p14, p23, p33, p32}}
	slices.Sort(c.Bounds[:])
	from := uint64(0)
	for i := range c.Maps {
		c.Maps[i] = step(from, p13, p14, 2, 3, 0) | step(from, p23, p23, 2, 2, 1)<<2 | step(from, p33, p32, 2, 1, 0)<<4
		if i < len(c.Bounds) {
			from = c.Bounds[i]
		}
	}
	return c
}

// step returns the state to which a draw leads: one of three, divided by two bounds.
func step(draw, low, high, first, second, third uint64) uint64 {
	switch {
	case draw < low:
		return first
	case draw < high:
		return second
	}
	return third
}

// stateDrops reports whether the stage drops packet seq: in the states 3 and 4 of tc.
func (p *Program) stateDrops(memo *Memo, seq uint64) bool {
	return p.Stages&(1<<ByState) != 0 && p.State.state(memo, chainState, seq) >= 2
}

func (s *states) usage() string { return "state P13 [P31 [P32 [P23 [P14]]]]" }

func (s *states) summary() string {
	return "the chain of four states of tc, in per cent: bursts of losses (state 3) and what is relayed in them (state 2), " +
		"single losses (state 4)"
}

func (s *states) meaning() meaning {
	return meaning{
		alone:  "packets dropped in bursts that begin with " + s.p13.String() + " % of packets and end with " + s.p31.String() + " %",
		except: "but those lost in bursts",
	}
}

// share returns the share of the states 3 and 4, if its numerator and denominator fit.
func (s *states) share() (Share, bool) {
	divisor := uint64(unit.Hundred)
	for _, p := range []unit.Percent{s.p13, s.p31, s.p32, s.p23, s.p14} {
		divisor = common(divisor, uint64(p))
	}
	p13, p31, p32 := uint64(s.p13)/divisor, uint64(s.p31)/divisor, uint64(s.p32)/divisor
	p23, p14, one := uint64(s.p23)/divisor, uint64(s.p14)/divisor, uint64(unit.Hundred)/divisor
	lost := sum{product{p13, p23, one}, product{p14, p31, p23}}
	all := sum{product{p31, p23, one + p14}, product{p13, p23 + p32, one}}
	part, fits := lost.value()
	of, fit := all.value()
	return Share{Part: part, Of: of}, fits && fit && of != 0
}

type (
	product [3]uint64
	sum     [2]product
)

// value returns the sum of the products, and false if it does not fit.
func (s sum) value() (value uint64, fits bool) {
	for _, p := range s {
		hi, lo := bits.Mul64(p[0], p[1])
		over, n := bits.Mul64(lo, p[2])
		total, carry := bits.Add64(value, n, 0)
		if hi|over|carry != 0 {
			return 0, false
		}
		value = total
	}
	return value, true
}

// common returns the greatest common divisor.
func common(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
