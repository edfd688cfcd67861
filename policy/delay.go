package policy

import (
	"github.com/seed-39a139a1/insane/policy/dist"
	"github.com/seed-39a139a1/insane/policy/unit"
)

// The stage "delay T" makes each packet leave T after it has left the link. With a jitter,
// the time is drawn around T: one draw for each slice of time, so that the packets of a
// slice keep their distances, or one for each packet.

// slicesOf is how many times the jitter a slice lasts unless the user says otherwise. So
// few packets wait for packets of the slice before that the mean stays what was asked.
const slicesOf = 10

// delay has the stage's settings.
type delay struct {
	set         bool // necessary because delay 0 has a meaning
	time        unit.Span
	jitter      unit.Span  // 0: none, and the fields below are zero
	shape       dist.Shape // of the jitter
	slice       unit.Span  // each slice has one draw; 0: each packet
	correlation unit.Percent
	reordering  bool // a packet may overtake others
}

func (s *delay) given() bool { return s.set }

func (s *delay) parse(c *cursor) {
	*s = delay{set: true, time: take(c, "T", parseWait)}
	if !c.named("jitter") {
		return
	}
	s.jitter = take(c, "jitter", above0(parseWait))
	each, shaped := false, false
	for more := true; more; {
		switch {
		case !shaped && c.shape(&s.shape):
			shaped = true
		case !each && s.slice == 0 && c.named("each"):
			each = true
		case !each && s.slice == 0 && c.named("every"):
			s.slice = take(c, "every", above0(parseWait))
		case s.correlation == 0 && c.named("correlation"):
			s.correlation = take(c, "correlation", above0(parseCorrelation))
		case !s.reordering && c.named("reordering"):
			s.reordering = true
		default:
			more = false
		}
	}
	if !each && s.slice == 0 {
		s.slice = s.usualSlice()
	}
	if s.shape == dist.Uniform && s.jitter > s.time {
		c.refuse("the jitter is above the delay, so that some delays would be below zero")
	}
}

// shape takes the next word if it is the name of a distribution.
func (c *cursor) shape(s *dist.Shape) bool {
	if !c.more() {
		return false
	}
	named, ok := dist.Named(c.words[0])
	if ok {
		*s = named
		c.word()
	}
	return ok
}

// usualSlice returns the slice that is meant if the user says nothing about it.
func (s *delay) usualSlice() unit.Span {
	if s.reordering || s.correlation != 0 {
		return 0
	}
	return min(slicesOf*s.jitter, maxWait)
}

func (s *delay) words() string {
	text := s.time.String()
	if s.jitter == 0 {
		return text
	}
	text += " jitter " + s.jitter.String()
	if s.shape != dist.Uniform {
		text += " " + s.shape.String()
	}
	switch s.slice {
	case s.usualSlice():
	case 0:
		text += " each"
	default:
		text += " every " + s.slice.String()
	}
	if s.correlation != 0 {
		text += " correlation " + s.correlation.String()
	}
	if s.reordering {
		text += " reordering"
	}
	return text
}

func (s *delay) compile(prog *Program, epoch Time, key uint64) {
	prog.DelayTime = uint64(s.time)
	if s.jitter == 0 {
		return
	}
	prog.DelayJitter = uint64(s.jitter)
	prog.DelayShape = uint64(s.shape)
	prog.DelayKey = key
	if s.slice != 0 {
		prog.DelaySlice, prog.DelayEpoch = uint64(s.slice), uint64(epoch)
	}
	prog.DelayKeep = uint64(chance(uint64(s.correlation), uint64(unit.Hundred)))
	if s.reordering {
		prog.DelayReorders = 1
	}
}

// waits returns the delay of a packet, or of a copy of it.
func (p *Program) waits(arrival Time, seq uint64, ordinal uint32) Time {
	if p.DelayJitter == 0 {
		return Time(p.DelayTime)
	}
	key, index := copyKey(p.DelayKey, ordinal), seq
	if p.DelaySlice != 0 {
		key, index = p.DelayKey, sinceEpoch(arrival, p.DelayEpoch)/p.DelaySlice
	}
	if p.DelayKeep != 0 {
		index = lastDraw(subkey(key, 1), index, Chance(p.DelayKeep))
	}
	return Time(dist.Shape(p.DelayShape).Draw(hash(key, index), p.DelayTime, p.DelayJitter))
}

// Reorders reports whether the delays of a program may let a packet overtake another one.
// If not, a packet waits for those that have arrived before it.
func (p *Program) Reorders() bool { return p.DelayReorders != 0 }

// MaxDelay returns the longest delay that a packet which arrives at this moment can have
// behind the link. It is exact unless each packet has a draw of its own.
func (p *Program) MaxDelay(arrival Time) Time {
	if p.DelayJitter == 0 || p.DelaySlice != 0 {
		return p.waits(arrival, 0, 0)
	}
	return Time(dist.Shape(p.DelayShape).Most(p.DelayTime, p.DelayJitter))
}

func (s *delay) usage() string {
	return "delay T [jitter J [uniform|normal|pareto|paretonormal] [each|every T] [correlation P] [reordering]]"
}

func (s *delay) summary() string {
	return "packets come T later; with a jitter, T give or take J (uniform) or with the standard deviation J, " +
		"a draw for each slice of 10 J or of every T, or for each packet"
}

func (s *delay) meaning() meaning {
	if s.jitter == 0 {
		return meaning{then: s.time.String() + " later"}
	}
	var a Asked
	s.ask(&a)
	text := unit.Span(a.Delay).String() + " later, give or take " + s.jitter.String()
	if s.shape != dist.Uniform {
		text = unit.Span(a.Delay).String() + " later on average, standard deviation " + unit.Span(a.Spread).String()
	}
	return meaning{then: text}
}

func (s *delay) share() (Share, bool) { return Share{}, true }

func (s *delay) ask(a *Asked) {
	a.Delay = Time(s.time)
	if s.jitter != 0 {
		mean, spread := s.shape.Moments(uint64(s.time), uint64(s.jitter))
		a.Delay, a.Spread = Time(mean), Time(spread)
	}
}
