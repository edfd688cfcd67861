package policy

import (
	"math/bits"
	"strings"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// The stage "percent N [run L]" relays N per cent of the packets. The argument is the share
// that is relayed, not the share that is lost, as in the first insane module of 2000; "loss N"
// is another way to write percent 100−N. Each packet has its own draw. With run, losses come L
// in a row on average: they are a chain of two states, good and bad, and what is in the bad
// one is lost. Runs of losses and of relayed packets have geometric distributions.

// alsoLoss is the other name of the stage.
const alsoLoss = "loss"

// percent has the stage's settings. It keeps the numbers as they were written, and not the
// chances computed from them, so that printing gives the numbers that the user wrote.
type percent struct {
	set   bool // necessary because relay 0 has a meaning
	relay unit.Percent
	run   unit.Mean // 0: losses are independent
}

func (s *percent) given() bool { return s.set }

func (s *percent) parse(c *cursor) {
	*s = percent{set: true, relay: take(c, "", unit.ParsePercent)}
	if c.stage.name == alsoLoss {
		s.relay = s.relay.Rest()
	}
	if c.named("run") {
		s.run = take(c, "run", unit.ParseMean)
		if why := s.refuses(); why != "" && c.refused == nil {
			c.refuse(why)
		}
		return
	}
	if c.argument() && isCorrelation(c.words[0]) {
		c.word()
		c.refuse("a correlation changes how much is lost; for losses in a row write " +
			alsoLoss + " " + s.relay.Rest().String() + " run L, where L is their mean number")
	}
}

// isCorrelation reports whether a word is a correlation of tc.
func isCorrelation(word string) bool {
	_, err := unit.ParsePercent(word)
	return err == nil && strings.HasSuffix(word, "%")
}

// The limits of runs. A chain of two states must forget its past: in a thousand packets with
// a probability of 63 %. So the sum of the chances to enter the bad state and to leave it is
// from 0.001 to 1.999, or 2, where each packet leads to the other state. With the share P that
// is lost, that sum is 1/(L(1−P)).
const (
	mostRun = uint64(unit.Hundred) * remembering * uint64(unit.One) // of L(1−P), where the sum is 0.001
	mostSum = 2*remembering - 1                                     // in thousandths: 1.999
)

// refuses says why there can be no runs of this length; "" if there can.
func (s *percent) refuses() string {
	lost := s.relay.Rest()
	if s.relay == 0 {
		return "everything is lost, so that no run of losses ends"
	}
	if most := unit.Mean(mostRun / uint64(s.relay)); s.run > most {
		return "with " + lost.String() + " % lost the longest run that is possible is " + most.String()
	}
	least := *s
	least.run = max(unit.One, unit.Mean((uint64(lost)*uint64(unit.One)+uint64(s.relay)-1)/uint64(s.relay)))
	for !least.changes() {
		least.run++
	}
	if s.run < least.run || !s.changes() {
		return "with " + lost.String() + " % lost the shortest run that is possible is " + least.run.String()
	}
	return ""
}

// changes reports whether the sum of the chances of the chain, which are at most 1, is 1.999
// at most, or 2.
func (s *percent) changes() bool {
	length := uint64(s.run) * uint64(s.relay)
	return length*mostSum >= mostRun || s.run == unit.One && s.relay == unit.Hundred/2
}

// words returns the shortest decimal numbers with these values.
func (s *percent) words() string {
	if s.run == 0 {
		return s.relay.String()
	}
	return s.relay.String() + " run " + s.run.String()
}

func (s *percent) compile(prog *Program, _ Time, key uint64) {
	prog.PercentKey = key
	if s.run == 0 || s.relay == unit.Hundred {
		prog.PercentDrop = uint64(chance(uint64(s.relay.Rest()), uint64(unit.Hundred)))
		return
	}
	prog.Stages |= WithRun
	enter := bigChance(uint64(s.relay.Rest())*uint64(unit.One), uint64(s.run)*uint64(s.relay))
	prog.Run = twoStates(key, enter, bigChance(uint64(unit.One), uint64(s.run)))
}

// bigChance returns n/of as chance does, for numbers that may be larger. It requires
// n ≤ of, and n below 2⁶².
func bigChance(n, of uint64) Chance {
	hi, lo := bits.Mul64(n, uint64(Always))
	lo, carry := bits.Add64(lo, of/2, 0)
	quotient, _ := bits.Div64(hi+carry, lo, of)
	return Chance(quotient)
}

// percentDrops reports whether the stage drops packet seq, without run. An absent stage has
// the chance 0, and no draw is below 0.
func (p *Program) percentDrops(seq uint64) bool {
	return Chance(p.PercentDrop).covers(draw(p.PercentKey, seq))
}

// runDrops reports whether the stage drops packet seq, with run.
func (p *Program) runDrops(memo *Memo, seq uint64) bool {
	return p.Stages&WithRun != 0 && p.Run.eitherState(memo, chainRun, seq) != good
}

func (s *percent) usage() string { return "percent N [run L]" }

func (s *percent) summary() string {
	return "relay N per cent of the packets and drop the others; 0 to 100 with up to 6 decimals; 0 and 100 are exact; " +
		"with run, losses come L in a row on average; loss N is the same as percent 100−N"
}

func (s *percent) meaning() meaning {
	of := s.relay.String() + " % of"
	m := meaning{alone: of + " packets relayed, " + s.relay.Rest().String() + " % dropped", of: of}
	if s.run != 0 {
		m.then = "losses " + s.run.String() + " in a row on average"
		m.alone += ", " + s.run.String() + " in a row on average"
	}
	return m
}

func (s *percent) share() (Share, bool) {
	return Share{Part: uint64(s.relay.Rest()), Of: uint64(unit.Hundred)}, true
}
