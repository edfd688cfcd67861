package policy

import "github.com/seed-39a139a1/insane/policy/unit"

// The stage "every N" drops each Nth packet: with N = 3, the packets 2, 5, 8 and so on,
// as numbers begin at 0. So N packets in a row always have one loss.

// every is the stage's settings.
type every struct{ n unit.Number } // 0 is absent

func (s *every) given() bool { return s.n != 0 }

func (s *every) parse(c *cursor) {
	s.n = take(c, "", unit.ParseNumber)
	if s.n == 0 {
		c.refuse("must be 1 or more")
	}
}

func (s *every) words() string { return s.n.String() }

func (s *every) compile(prog *Program, _ Time, _ uint64) { prog.EveryN = uint64(s.n) }

// everyDrops reports whether the stage drops packet seq.
func (p *Program) everyDrops(seq uint64) bool {
	return p.EveryN != 0 && seq%p.EveryN == p.EveryN-1
}

func (s *every) usage() string { return "every N" }

func (s *every) summary() string { return "drop each Nth packet and relay the others; N is 1 or more" }

func (s *every) meaning() meaning {
	if s.n == 1 {
		return meaning{alone: "all packets dropped", except: "but each"}
	}
	nth := s.n.Ordinal()
	return meaning{alone: "each " + nth + " packet dropped", except: "but each " + nth}
}

func (s *every) share() (Share, bool) { return Share{Part: 1, Of: uint64(s.n)}, true }
