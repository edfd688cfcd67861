package policy

import (
	"github.com/seed-39a139a1/insane/policy/unit"
)

// The stage "gemodel P [R [BAD [GOOD]]]" is the Gilbert–Elliott model in the words and the
// order of tc: P per cent is the chance to get from the good state to the bad one, R to get
// back, BAD and GOOD are the losses in these states. What is left out makes it a simpler
// model: P alone loses P per cent of the packets, each by itself (Bernoulli); with P and R all
// packets in the bad state are lost (simple Gilbert); with BAD, a part of them (Gilbert).

// gemodel has the stage's settings.
type gemodel struct {
	set                     bool
	enter, leave, bad, good unit.Percent
}

func (s *gemodel) given() bool { return s.set }

func (s *gemodel) parse(c *cursor) {
	*s = gemodel{set: true, enter: take(c, "P", unit.ParsePercent), bad: unit.Hundred}
	s.leave = s.enter.Rest()
	for _, next := range []struct {
		name  string
		value *unit.Percent
	}{{"R", &s.leave}, {"BAD", &s.bad}, {"GOOD", &s.good}} {
		if c.argument() {
			*next.value = take(c, next.name, unit.ParsePercent)
		}
	}
	// The limits of percent … run.
	const least = unit.Hundred / remembering
	if sum := s.enter + s.leave; sum < least || sum > 2*unit.Hundred-least && sum != 2*unit.Hundred {
		c.refuse("P and R must be at least 0.1 together, and at most 199.9 or exactly 200: " +
			"else the chain remembers its past for too long")
	}
}

// words leaves out what is the default.
func (s *gemodel) words() string {
	args := []unit.Percent{s.enter, s.leave, s.bad, s.good}
	return percents(args, []unit.Percent{s.enter, s.enter.Rest(), unit.Hundred, 0})
}

// percents prints the values up to the last one that differs from its default. The first is
// always printed.
func percents(values, defaults []unit.Percent) string {
	n := len(values)
	for n > 1 && values[n-1] == defaults[n-1] {
		n--
	}
	var words []string
	for _, v := range values[:n] {
		words = append(words, v.String())
	}
	return join(" ", words...)
}

func (s *gemodel) compile(prog *Program, _ Time, key uint64) {
	prog.GE = twoStates(key, chanceOf(s.enter), chanceOf(s.leave))
	prog.GEBad, prog.GEGood = uint64(chanceOf(s.bad)), uint64(chanceOf(s.good))
	prog.GEKey = subkey(key, 1)
}

// chanceOf returns a percentage as a chance.
func chanceOf(p unit.Percent) Chance { return chance(uint64(p), uint64(unit.Hundred)) }

// geDrops reports whether the stage drops packet seq.
func (p *Program) geDrops(memo *Memo, seq uint64) bool {
	if p.Stages&(1<<ByGEModel) == 0 {
		return false
	}
	lost := p.GEGood
	if p.GE.eitherState(memo, chainGE, seq) != good {
		lost = p.GEBad
	}
	return Chance(lost).covers(draw(p.GEKey, seq))
}

func (s *gemodel) usage() string { return "gemodel P [R [BAD [GOOD]]]" }

func (s *gemodel) summary() string {
	return "Gilbert–Elliott: the bad state begins with P per cent of the packets and ends with R per cent; " +
		"BAD per cent are lost in it (default 100), and GOOD per cent in the good one (default 0)"
}

func (s *gemodel) meaning() meaning {
	text := "bursts that begin with " + s.enter.String() + " % of packets and end with " + s.leave.String() + " %"
	m := meaning{
		alone:  s.bad.String() + " % of packets dropped in " + text,
		except: "but those lost in bursts",
	}
	if s.good != 0 {
		m.alone += ", " + s.good.String() + " % between them"
	}
	return m
}

// share is what is lost in either state, times the share of that state.
func (s *gemodel) share() (Share, bool) {
	return Share{
		Part: uint64(s.enter)*uint64(s.bad) + uint64(s.leave)*uint64(s.good),
		Of:   (uint64(s.enter) + uint64(s.leave)) * uint64(unit.Hundred),
	}, true
}
