package policy

import "github.com/seed-39a139a1/insane/policy/unit"

// The stage "time ON OFF" relays for ON, then drops for OFF, and repeats. Each decision
// computes the phase from the epoch; nothing is accumulated, so a late or missing packet
// moves no edge.

// onOff has the stage's settings. Both zero means absent; no text has this value.
type onOff struct{ on, off unit.Span }

func (s *onOff) given() bool { return s.on != 0 || s.off != 0 }

func (s *onOff) parse(c *cursor) {
	*s = onOff{on: take(c, "ON", unit.ParseSpan), off: take(c, "OFF", unit.ParseSpan)}
	if !s.given() {
		c.refuse("ON and OFF are both zero")
	}
}

func (s *onOff) words() string { return s.on.String() + " " + s.off.String() }

func (s *onOff) compile(prog *Program, epoch Time, _ uint64) {
	prog.TimeEpoch = uint64(epoch)
	prog.TimeOn = uint64(s.on)
	prog.TimeCycle = uint64(s.on + s.off)
}

// timeDrops reports whether the stage drops a packet at the time now.
func (p *Program) timeDrops(now Time) bool {
	return p.TimeCycle != 0 && sinceEpoch(now, p.TimeEpoch)%p.TimeCycle >= p.TimeOn
}

func (s *onOff) usage() string { return "time ON OFF" }

func (s *onOff) summary() string {
	return "relay for ON, then drop for OFF, and so on, beginning with ON now; " +
		"durations such as 500ms or 1.5s, or jiffies of 10 ms"
}

func (s *onOff) meaning() meaning {
	on, off := s.on.String(), s.off.String()
	return meaning{
		alone:  "all packets relayed for " + on + ", then dropped for " + off,
		during: "for " + on + ", then none for " + off,
	}
}

func (s *onOff) share() (Share, bool) {
	return Share{Part: uint64(s.off), Of: uint64(s.on + s.off), Time: true}, true
}
