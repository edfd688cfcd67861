package policy

import "github.com/seed-39a139a1/insane/policy/unit"

// The stage "percent N" relays N per cent of the packets, each by its own
// draw. The argument is what is relayed, not what is lost, as it was in the
// original insane module of 2000.

// percent is the stage's settings. They keep the number as it was written, not
// the chance made of it, so that what is printed is what was asked for.
type percent struct {
	set   bool // as relay 0 has a meaning
	relay unit.Percent
}

func (s *percent) given() bool { return s.set }

func (s *percent) parse(c *cursor) {
	*s = percent{set: true, relay: take(c, "", unit.ParsePercent)}
}

// words is the shortest decimal number that says it.
func (s *percent) words() string { return s.relay.String() }

func (s *percent) compile(prog *Program, _ Time, key uint64) {
	prog.PercentDrop = uint64(chance(uint64(s.relay.Rest()), uint64(unit.Hundred)))
	prog.PercentKey = key
}

// percentDrops says whether the stage drops packet seq. An absent stage has
// the chance 0, which no draw is below.
func (p *Program) percentDrops(seq uint64) bool {
	return Chance(p.PercentDrop).covers(draw(p.PercentKey, seq))
}

func (s *percent) usage() string { return "percent N" }

func (s *percent) summary() string {
	return "relay N per cent of the packets and drop the others; 0 to 100 with up to 6 decimals; 0 and 100 are exact"
}

func (s *percent) meaning() meaning {
	of := s.relay.String() + " % of"
	return meaning{alone: of + " packets relayed, " + s.relay.Rest().String() + " % dropped", of: of}
}

func (s *percent) share() (Share, bool) {
	return Share{Lost: uint64(s.relay.Rest()), Of: uint64(unit.Hundred)}, true
}
