package policy

import "github.com/seed-39a139a1/insane/policy/unit"

// The stage "reorder P" lets P per cent of the packets leave behind packets that arrive
// later. It needs no delay: a chosen packet waits until that many others have left.

// reorder has the stage's settings.
type reorder struct {
	set  bool // necessary because reorder 0 has a meaning
	part unit.Percent
	by   unit.Number // packets that overtake it
}

func (s *reorder) given() bool { return s.set }

func (s *reorder) parse(c *cursor) {
	*s = reorder{set: true, part: take(c, "", unit.ParsePercent), by: 1}
	if c.named("by") {
		s.by = take(c, "by", parseUpTo(maxBehind))
	}
}

func (s *reorder) words() string {
	if s.by == 1 {
		return s.part.String()
	}
	return s.part.String() + " by " + s.by.String()
}

func (s *reorder) compile(prog *Program, _ Time, key uint64) {
	prog.ReorderChance = uint64(chance(uint64(s.part), uint64(unit.Hundred)))
	prog.ReorderBy = uint64(s.by)
	prog.ReorderKey = key
}

// behind returns how many later packets leave before a packet, or before a copy of it.
func (p *Program) behind(seq uint64, ordinal uint32) uint32 {
	if !Chance(p.ReorderChance).covers(draw(copyKey(p.ReorderKey, ordinal), seq)) {
		return 0
	}
	return uint32(min(p.ReorderBy, maxBehind))
}

func (s *reorder) usage() string { return "reorder P [by K]" }

func (s *reorder) summary() string {
	return "P per cent of the packets come one packet later, or K packets later; 100 ms later if nothing follows"
}

func (s *reorder) meaning() meaning {
	return meaning{then: s.part.String() + " % of them " + counted(uint64(s.by), "packet", "packets") + " later"}
}

func (s *reorder) share() (Share, bool) { return Share{}, true }

func (s *reorder) ask(a *Asked) { a.Reordered = Share{Part: uint64(s.part), Of: uint64(unit.Hundred)} }
