package policy

import "github.com/seed-39a139a1/insane/policy/unit"

// The stage "slot MIN MAX" opens the wire only now and then, as on Wi-Fi: what is due
// leaves in bursts. A slot is the time from one opening to the next; slots are numbered,
// and the number gives the length.

// slot has the stage's settings.
type slot struct {
	least, most unit.Span   // most is not 0 if the stage is there
	packets     unit.Number // in one opening; 0: any number
	bytes       unit.Size   // in one opening; 0: any number
}

func (s *slot) given() bool { return s.most != 0 }

func (s *slot) parse(c *cursor) {
	s.least = take(c, "MIN", parseWait)
	s.most = s.least
	if c.argument() && !c.next("packets") && !c.next("bytes") {
		s.most = take(c, "MAX", parseWait)
	}
	for more := true; more; {
		switch {
		case s.packets == 0 && c.named("packets"):
			s.packets = take(c, "packets", above0(unit.ParseNumber))
		case s.bytes == 0 && c.named("bytes"):
			s.bytes = take(c, "bytes", above0(parseBytes))
		default:
			more = false
		}
	}
	switch {
	case s.most == 0:
		c.refuse("the wire would never be closed: MIN or MAX must be above 0")
	case s.most < s.least:
		c.refuse("MAX is below MIN")
	}
}

func (s *slot) words() string {
	text := s.least.String()
	if s.most != s.least {
		text += " " + s.most.String()
	}
	if s.packets != 0 {
		text += " packets " + s.packets.String()
	}
	if s.bytes != 0 {
		text += " bytes " + s.bytes.String()
	}
	return text
}

func (s *slot) compile(prog *Program, _ Time, key uint64) {
	prog.SlotMin = uint64(max(s.least, 1))
	prog.SlotMax = uint64(s.most)
	prog.SlotPackets = uint64(s.packets)
	prog.SlotBytes = uint64(s.bytes)
	prog.SlotKey = key
}

// SlotLength returns the length of slot number k: uniform from SlotMin to SlotMax, both
// included. It is 0 without the stage, and at least 1 ns with it.
func (p *Program) SlotLength(k uint64) Time {
	if p.SlotMax <= p.SlotMin {
		return Time(p.SlotMin)
	}
	return Time(p.SlotMin + within(hash(p.SlotKey, k), p.SlotMax-p.SlotMin+1))
}

func (s *slot) usage() string { return "slot MIN [MAX] [packets N] [bytes N]" }

func (s *slot) summary() string {
	return "packets leave in bursts, each MIN to MAX after the one before; each of at most so many packets and bytes"
}

func (s *slot) meaning() meaning {
	text := "in bursts each " + s.least.String()
	if s.most != s.least {
		text += " to " + s.most.String()
	}
	if s.packets != 0 {
		text += " of at most " + counted(uint64(s.packets), "packet", "packets")
	}
	if s.bytes != 0 {
		text += " of at most " + s.bytes.String()
	}
	return meaning{then: text}
}

func (s *slot) share() (Share, bool) { return Share{}, true }
