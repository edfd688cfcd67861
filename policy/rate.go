package policy

import (
	"math/bits"
	"strings"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// The stage "rate R" is a link of that rate: packets pass it one after the other, and each
// takes its own time. What arrives meanwhile waits in the link's queue (queue.go).

// rate has the stage's settings.
type rate struct {
	bits     unit.Rate // a second; 0 is absent
	overhead framing   // of each packet
	cell     unit.Size // a packet takes a whole number of cells; 0: no cells
	header   unit.Size // of each cell
}

// framing is a number of bytes that a packet has more on the link than as an Ethernet
// frame, or less.
type framing struct {
	bytes unit.Size
	less  bool
}

func (f framing) String() string {
	if f.less {
		return "-" + f.bytes.String()
	}
	return f.bytes.String()
}

// parseOverhead reads a number of bytes with or without a minus.
func parseOverhead(s string) (f framing, err error) {
	digits, less := strings.CutPrefix(s, "-")
	f.bytes, err = parseFraming(digits)
	f.less = less && f.bytes != 0
	return f, err
}

func (s *rate) given() bool { return s.bits != 0 }

func (s *rate) parse(c *cursor) {
	*s = rate{bits: take(c, "", above0(unit.ParseRate))}
	for more := true; more; {
		switch {
		case s.overhead.bytes == 0 && c.named("overhead"):
			s.overhead = take(c, "overhead", above0(parseOverhead))
		case s.cell == 0 && c.named("cell"):
			s.cell = take(c, "cell", above0(parseFraming))
			if c.named("overhead") {
				s.header = take(c, "cell overhead", above0(parseFraming))
			}
		default:
			more = false
		}
	}
}

func (s *rate) words() string {
	text := s.bits.String()
	if s.overhead.bytes != 0 {
		text += " overhead " + s.overhead.String()
	}
	if s.cell != 0 {
		text += " cell " + s.cell.String()
	}
	if s.header != 0 {
		text += " overhead " + s.header.String()
	}
	return text
}

func (s *rate) compile(prog *Program, _ Time, _ uint64) {
	prog.RateBits = uint64(s.bits)
	prog.RateOverhead = uint64(s.overhead.bytes)
	if s.overhead.less {
		prog.RateOverhead = -prog.RateOverhead
	}
	prog.RateCell = uint64(s.cell)
	prog.RateHeader = uint64(s.header)
	prog.QueueTime = uint64(usualQueue) // the stage queue sets another one
}

// LinkTime returns how long a packet with this many Ethernet bytes takes on the link; 0
// without a rate. The time is rounded down; rest is the part of a nanosecond that is left,
// as a multiple of 1/RateBits ns. A caller that passes it on with the next packet gets
// times whose sum is exact, however many packets follow each other. Begin with rest 0, also
// after a change of the rate. A time that 64 bits cannot hold is the longest that they can.
func (p *Program) LinkTime(bytes, rest uint64) (t Time, left uint64) {
	if p.RateBits == 0 {
		return 0, 0
	}
	hi, lo := bits.Mul64(p.linkBytes(bytes), 8*1_000_000_000)
	lo, carry := bits.Add64(lo, rest, 0)
	if hi += carry; hi >= p.RateBits {
		return 1<<64 - 1, 0
	}
	whole, left := bits.Div64(hi, lo, p.RateBits)
	return Time(whole), left
}

// linkBytes returns how many bytes of the link a packet takes.
func (p *Program) linkBytes(bytes uint64) uint64 {
	if less := -p.RateOverhead; int64(p.RateOverhead) < 0 && bytes < less {
		bytes = 0
	} else {
		bytes += p.RateOverhead
	}
	if p.RateCell == 0 {
		return bytes
	}
	cells := bytes / p.RateCell
	if bytes%p.RateCell != 0 {
		cells++
	}
	return cells * (p.RateCell + p.RateHeader)
}

func (s *rate) usage() string { return "rate R [overhead BYTES] [cell BYTES [overhead BYTES]]" }

func (s *rate) summary() string {
	return "a link of that rate, such as 10mbit, on which each packet takes its time; " +
		"overhead is added to each packet, or to each cell"
}

func (s *rate) meaning() meaning { return meaning{then: "at " + s.bits.String()} }

func (s *rate) share() (Share, bool) { return Share{}, true }

func (s *rate) ask(a *Asked) { a.Rate = s.bits }
