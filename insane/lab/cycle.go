package lab

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// tolerance is how late a change between on and off may be seen: user space decides, and
// may have to wait for a CPU.
const tolerance = 20 * time.Millisecond

// cycle is a policy that relays for on and drops for off, repeating.
type cycle struct{ on, off time.Duration }

// edges is the result of comparing a measurement with a cycle.
type edges struct {
	count int           // changes between arrived and lost, in the order of sending
	worst time.Duration // the greatest distance from an edge of a packet with the wrong verdict
}

// observe compares what happened to every packet with the phase of the cycle when the
// packet was sent. The cycle began between m.set and m.ready.
func (c cycle) observe(m measurement) edges {
	var s edges
	slack := m.ready.Sub(m.set)
	last := -1 // number of the previous packet
	for i, at := range m.result.SentAt {
		if at < 0 {
			continue
		}
		phase := (m.result.Start.Add(at).Sub(m.set)) % (c.on + c.off)
		if m.result.Arrived(i) != (phase < c.on) {
			s.worst = max(s.worst, c.distance(phase, slack))
		}
		if last >= 0 && m.result.Arrived(i) != m.result.Arrived(last) {
			s.count++
		}
		last = i
	}
	return s
}

// distance returns the distance of a phase from the nearest edge. The actual place of an
// edge is up to slack behind its nominal place.
func (c cycle) distance(phase, slack time.Duration) time.Duration {
	nearest := c.on + c.off
	for _, edge := range []time.Duration{0, c.on, c.on + c.off} {
		switch {
		case phase < edge:
			nearest = min(nearest, edge-phase)
		case phase > edge+slack:
			nearest = min(nearest, phase-edge-slack)
		default:
			return 0
		}
	}
	return nearest
}

// judge lists how a measurement differs from the cycle.
func (c cycle) judge(m measurement) []string {
	var faults []string
	s := c.observe(m)
	if s.worst > tolerance {
		faults = append(faults, fmt.Sprintf("a packet had the wrong verdict %v from the nearest edge, %v is allowed",
			s.worst.Round(time.Millisecond/10), tolerance))
	}
	if least := c.expected(m) - 2; s.count < least {
		faults = append(faults, fmt.Sprintf("%d edges seen, at least %d expected", s.count, least))
	}
	return faults
}

func (c cycle) arrived(m measurement) string {
	return fmt.Sprintf("%s, %.1f %%; %v of %v is %.1f %%", number(m.result.Received),
		share(m.result.Received, m.result.Sent), c.on, c.on+c.off, share(int(c.on), int(c.on+c.off)))
}

func (c cycle) details(m measurement) []detail {
	seen := c.observe(m)
	return []detail{
		{"time", fmt.Sprintf("%s  50 ms each", timeline(m.result, 50*time.Millisecond))},
		{"", fmt.Sprintf("%d edges, none more than %.1f ms off its time; %v is allowed",
			seen.count, float64(seen.worst.Microseconds())/1000, tolerance)},
	}
}

// fair reports whether sender and receiver got a CPU in time: no packet was sent long
// after the previous one, and none was received long after it was sent.
func (c cycle) fair(m measurement) bool {
	var before time.Duration
	for i, at := range m.result.SentAt {
		if at < 0 {
			continue
		}
		if at-before > tolerance || m.result.ReceivedAt[i]-at > tolerance {
			return false
		}
		before = at
	}
	return true
}

// expected returns how many edges a measurement should see.
func (c cycle) expected(m measurement) int {
	return int(2 * m.result.Duration() / (c.on + c.off))
}

// timeline draws which packets arrived, over time, with one mark for each column of time. A
// full mark means that most packets of the column arrived.
func timeline(r *probe.Result, column time.Duration) string {
	const on, off = "█", "▁"
	sent := make([]int, r.Duration()/column+1)
	arrived := make([]int, len(sent))
	for i, at := range r.SentAt {
		if at < 0 {
			continue
		}
		sent[at/column]++
		if r.Arrived(i) {
			arrived[at/column]++
		}
	}
	var line strings.Builder
	for i := range sent {
		if 2*arrived[i] > sent[i] {
			line.WriteString(on)
		} else {
			line.WriteString(off)
		}
	}
	return line.String()
}
