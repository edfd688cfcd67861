package policy

import "github.com/seed-39a139a1/insane/policy/unit"

// The stage "percent N" relays N per cent of the packets; each packet has its own draw. The
// argument is the share that is relayed, not the share that is lost, as in the first insane
// module of 2000.

// percent has the stage's settings. It keeps the number as it was written, and not the
// chance computed from it, so that printing gives the number that the user wrote.
type percent struct {
	set   bool // necessary because relay 0 has a meaning
	relay unit.Percent
}

func (s *percent) given() bool { return s.set }

func (s *percent) parse(c *cursor) {
	*s = percent{set: true, relay: take(c, "", unit.ParsePercent)}
}

// words returns the shortest decimal number with this value.
func (s *percent) words() string { return s.relay.String() }

func (s *percent) compile(prog *Program, _ Time, key uint64) {
	prog.PercentDrop = uint64(chance(uint64(s.relay.Rest()), uint64(unit.Hundred)))
	prog.PercentKey = key
}

// percentDrops reports whether the stage drops packet seq. An absent stage has the chance
// 0, and no draw is below 0.
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
	return Share{Part: uint64(s.relay.Rest()), Of: uint64(unit.Hundred)}, true
}
