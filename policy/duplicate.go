package policy

import "github.com/seed-39a139a1/insane/policy/unit"

// The stage "duplicate P" sends P per cent of the packets more than once. A copy goes
// through the stages behind this one by itself, with draws of its own ([Program.Copy]); it
// is never lost by a draw and never copied again.

// duplicate has the stage's settings.
type duplicate struct {
	set    bool // necessary because duplicate 0 has a meaning
	part   unit.Percent
	copies unit.Number // beside the packet itself
}

func (s *duplicate) given() bool { return s.set }

func (s *duplicate) parse(c *cursor) {
	*s = duplicate{set: true, part: take(c, "", unit.ParsePercent), copies: 1}
	if c.named("copies") {
		s.copies = take(c, "copies", parseUpTo(maxCopies))
	}
}

func (s *duplicate) words() string {
	if s.copies == 1 {
		return s.part.String()
	}
	return s.part.String() + " copies " + s.copies.String()
}

func (s *duplicate) compile(prog *Program, _ Time, key uint64) {
	prog.DuplicateChance = uint64(chance(uint64(s.part), uint64(unit.Hundred)))
	prog.DuplicateCopies = uint64(s.copies)
	prog.DuplicateKey = key
}

// copies returns how many copies of packet seq are sent beside it.
func (p *Program) copies(seq uint64) uint32 {
	if !Chance(p.DuplicateChance).covers(draw(p.DuplicateKey, seq)) {
		return 0
	}
	return uint32(min(p.DuplicateCopies, maxCopies))
}

func (s *duplicate) usage() string { return "duplicate P [copies C]" }

func (s *duplicate) summary() string { return "send P per cent of the packets twice, or 1 + C times" }

func (s *duplicate) meaning() meaning {
	times := "twice"
	if s.copies != 1 {
		times = counted(uint64(s.copies)+1, "time", "times")
	}
	return meaning{then: s.part.String() + " % of them " + times}
}

func (s *duplicate) share() (Share, bool) { return Share{}, true }

func (s *duplicate) ask(a *Asked) {
	a.Copied = Share{Part: uint64(s.part) * uint64(s.copies), Of: uint64(unit.Hundred)}
}
