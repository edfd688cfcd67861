package policy

import (
	"errors"
	"strings"
	"time"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// The stage "queue N" bounds the queue of the link: what finds it full is lost. Whether it
// is full depends on the packets before, so it is the line that holds the packets which
// decides, and not Decide.

// usualQueue is the bound of a link without this stage.
const usualQueue = unit.Span(100 * time.Millisecond)

// queue has the stage's settings: one of the three bounds. All zero is absent.
type queue struct {
	packets unit.Number
	bytes   unit.Size
	time    unit.Span
	mark    unit.Span // ECN-capable packets that wait longer are marked; 0: none
}

var errQueue = errors.New("must be a number of packets such as 100, a size such as 64kB or a duration such as 50ms")

// parseQueue reads a bound: the unit tells which. A bare number is packets.
func parseQueue(s string) (q queue, err error) {
	switch {
	case isDigits(s):
		q.packets, err = unit.ParseNumber(s)
	case strings.HasSuffix(s, "B"):
		q.bytes, err = unit.ParseSize(s)
	case strings.HasSuffix(s, "s") || strings.HasSuffix(s, "m") || strings.HasSuffix(s, "h"):
		q.time, err = parseWait(s)
	default:
		err = errQueue
	}
	return q, err
}

func (s *queue) given() bool { return *s != queue{} }

func (s *queue) parse(c *cursor) {
	*s = take(c, "", above0(parseQueue))
	if c.named("mark") {
		s.mark = take(c, "mark", above0(parseWait))
	}
	if s.time != 0 && s.mark >= s.time {
		c.refuse("no packet waits longer than the queue allows, so that none would be marked")
	}
}

// bound returns the bound in words.
func (s *queue) bound() string {
	switch {
	case s.packets != 0:
		return s.packets.String()
	case s.bytes != 0:
		return s.bytes.String()
	}
	return s.time.String()
}

func (s *queue) words() string {
	if s.mark == 0 {
		return s.bound()
	}
	return s.bound() + " mark " + s.mark.String()
}

func (s *queue) lacks(p *Policy) string {
	if p.rate.given() {
		return ""
	}
	return "is the queue of a link, so that it needs rate R beside it"
}

func (s *queue) compile(prog *Program, _ Time, _ uint64) {
	prog.QueuePackets = uint64(s.packets)
	prog.QueueBytes = uint64(s.bytes)
	prog.QueueTime = uint64(s.time)
	prog.QueueMark = uint64(s.mark)
}

func (s *queue) usage() string { return "queue N|BYTES|TIME [mark TIME]" }

func (s *queue) summary() string {
	return "the queue of the link, in packets, bytes or time (default " + usualQueue.String() + "): what finds it full is lost, " +
		"and ECN-capable packets that wait longer than mark are marked"
}

func (s *queue) meaning() meaning {
	text := "through a queue of " + s.bound()
	if s.packets != 0 {
		text = "through a queue of " + counted(uint64(s.packets), "packet", "packets")
	}
	if s.mark != 0 {
		text += ", marked if they wait longer than " + s.mark.String()
	}
	return meaning{then: text}
}

func (s *queue) share() (Share, bool) { return Share{}, true }
