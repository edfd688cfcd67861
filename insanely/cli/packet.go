package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/policy"
)

// The outcomes of a packet.
const (
	outcomeRelayed = "relayed"
	outcomeLost    = "lost"    // as the policy wants
	outcomeOverrun = "overrun" // for a reason that is no policy
	outcomeHeld    = "held"    // at the end of the recording
)

// packet is what explain says of one packet; with --json it is a line.
type packet struct {
	Direction string     `json:"direction"`
	Number    uint64     `json:"number"`
	Copy      uint32     `json:"copy,omitempty"`
	Rule      string     `json:"rule"`
	Neighbour bool       `json:"neighbour,omitempty"` // without number and verdict
	Peer      string     `json:"peer,omitempty"`
	Length    uint32     `json:"length"`
	Outcome   string     `json:"outcome"`
	Stage     string     `json:"stage,omitempty"`   // that loses or marks it, with its settings
	Because   string     `json:"because,omitempty"` // what the stage depended on
	Draw      *float64   `json:"draw,omitempty"`
	Why       string     `json:"why,omitempty"` // of what is lost behind its verdict
	Mark      bool       `json:"mark,omitempty"`
	Marked    bool       `json:"queueMark,omitempty"`
	Copies    uint32     `json:"copies,omitempty"`
	Flips     uint32     `json:"flips,omitempty"`
	Behind    uint32     `json:"behind,omitempty"`
	Delay     uint64     `json:"delay,omitempty"` // nanoseconds
	Policy    string     `json:"policy,omitempty"`
	Arrived   *time.Time `json:"arrived,omitempty"`
	Ended     *time.Time `json:"ended,omitempty"`

	verdict policy.Verdict
	queue   string // the stage of the queue, with its settings
	early   bool   // it was held when the recording began
}

// newPacket takes from an entry what all entries of a packet have.
func newPacket(e *ledger.Entry) *packet {
	k := &packet{
		Direction: e.Direction.String(), Number: e.Number, Copy: e.Ordinal, Rule: cmp.Or(e.Rule, policy.DefaultRule), Neighbour: e.Neighbour,
		Peer: e.Peer(), Length: e.Length, Why: e.Why,
	}
	if e.Kind == ledger.Arrived && e.Why != "" {
		k.Outcome = outcomeOverrun
	}
	return k
}

// setVerdict takes down the verdict.
func (k *packet) setVerdict() {
	v := k.verdict
	k.Mark, k.Copies, k.Flips, k.Behind, k.Delay = v.Mark, v.Copies, v.Flips, v.Behind, uint64(v.Delay)
	if v.By != policy.Relay {
		k.Stage = v.By.String()
	}
	if v.Lost() {
		k.Outcome = outcomeLost
	}
}

// end says what has become of the packet behind its verdict.
func (k *packet) end(kind ledger.Kind) {
	switch {
	case kind == ledger.Left:
		k.Outcome = outcomeRelayed
	case k.Why == ledger.WhyQueue:
		k.Outcome = outcomeLost
	default:
		k.Outcome = outcomeOverrun
	}
}

// line is the packet for a user.
func (k *packet) line() string {
	number := fmt.Sprint(k.Number)
	switch {
	case k.Neighbour:
		number = "-"
	case k.Copy > 0:
		number += fmt.Sprintf(" copy %d", k.Copy)
	}
	text := fmt.Sprintf("%s %s  %s  %s  %s", k.Direction, number, k.Rule, cmp.Or(k.Peer, "-"), k.Outcome)
	if about := k.about(); len(about) > 0 {
		text += ": " + strings.Join(about, ", ")
	}
	return text + "\n"
}

// about says why the packet has its outcome, and how it has changed.
func (k *packet) about() (about []string) {
	add := func(n uint32, one, many string) {
		switch {
		case n == 1:
			about = append(about, "1 "+one)
		case n > 1:
			about = append(about, fmt.Sprintf("%d %s", n, many))
		}
	}
	switch {
	case k.Why == ledger.WhyQueue:
		return []string{cmp.Or(k.queue, policy.ByQueue.String())}
	case k.Why != "":
		return []string{k.Why}
	case k.Outcome == outcomeLost:
		return []string{k.stage()}
	case k.Neighbour:
		return []string{"no verdict"}
	case k.early:
		return []string{"it came before the recording began, or its arrival is missing"}
	}
	if k.Mark {
		about = append(about, "marked by "+k.stage())
	}
	if k.Marked {
		about = append(about, "marked by the queue")
	}
	add(k.Copies, "copy", "copies")
	add(k.Flips, "bit flipped", "bits flipped")
	if k.Behind > 0 {
		about = append(about, fmt.Sprintf("behind %d", k.Behind))
	}
	if k.Delay > 0 {
		about = append(about, fmt.Sprintf("delayed by %s", time.Duration(k.Delay)))
	}
	if k.Outcome == outcomeRelayed && k.Arrived != nil {
		if waited := k.Ended.Sub(*k.Arrived); waited >= time.Millisecond || k.Delay > 0 {
			about = append(about, "left after "+waited.Round(time.Microsecond).String())
		}
	}
	return about
}

// stage names the stage that loses or marks the packet.
func (k *packet) stage() string {
	if k.Because == "" {
		return k.Stage
	}
	return k.Stage + " (" + k.Because + ")"
}

// inOrder calls f with each packet in the order of arrival, until one call returns an error.
func inOrder(waiting map[packetKey]*packet, f func(*packet) error) error {
	all := make([]*packet, 0, len(waiting))
	for _, k := range waiting {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *packet) int {
		return cmp.Or(a.Arrived.Compare(*b.Arrived), cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Number, b.Number))
	})
	for _, k := range all {
		if err := f(k); err != nil {
			return err
		}
	}
	return nil
}
