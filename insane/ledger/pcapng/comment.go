package pcapng

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/policy"
)

const (
	sectionWords = "insane ledger 1"
	programWord  = "policy"
)

// words makes the comment of a packet, of a section or of a program.
type words struct{ strings.Builder }

func (w *words) text(key, value string) {
	if value != "" {
		w.WriteString(" " + key + "=" + value)
	}
}

func (w *words) number(key string, n uint64) {
	if n != 0 {
		w.text(key, strconv.FormatUint(n, 10))
	}
}

func (w *words) yes(key string, on bool) {
	if on {
		w.text(key, yes)
	}
}

const yes = "yes"

// sectionComment returns the comment of a section.
func sectionComment(h ledger.Header) string {
	var w words
	w.WriteString(sectionWords)
	w.text("device", h.Device)
	w.text("real", strconv.FormatInt(h.Real, 10))
	w.number("began", uint64(h.Began))
	w.yes("lost", h.Lost)
	w.text("rule", h.Rule)
	w.number("snaplen", uint64(h.Snaplen))
	return w.String()
}

// parseSection reads the comment of a section. It returns false if it is no ledger.
func parseSection(comment string) (h ledger.Header, ok bool) {
	rest, ok := strings.CutPrefix(comment, sectionWords+" ")
	if !ok {
		return h, false
	}
	k := keysOf(strings.Fields(rest))
	h.Device, h.Lost, h.Rule = k.text("device"), k.text("lost") == yes, k.text("rule")
	h.Began, h.Snaplen = policy.Time(k.number("began", 64)), uint32(k.number("snaplen", 32))
	real, err := strconv.ParseInt(k.text("real"), 10, 64)
	h.Real = real
	return h, err == nil && k.err == nil
}

// programComment returns the comment of a program.
func programComment(p *ledger.Program) string {
	var w words
	fmt.Fprintf(&w, "%s %s %d", programWord, p.Direction, p.ID)
	w.text("rule", p.Rule)
	w.text("seed", strconv.FormatUint(p.Seed, 10))
	w.number("epoch", uint64(p.Epoch))
	w.number("first", p.First)
	return w.String() + ": " + p.Policy
}

// parseProgram reads the comment of a program. It returns false if it is another one.
func parseProgram(comment string) (p ledger.Program, ok bool) {
	head, text, ok := strings.Cut(comment, ": ")
	fields := strings.Fields(head)
	if !ok || len(fields) < 3 || fields[0] != programWord {
		return p, false
	}
	k := keysOf(fields[3:])
	p.Direction = k.direction(fields[1])
	p.ID, p.Rule, p.Policy = uint32(k.parse(fields[2], 32)), k.text("rule"), text
	p.Seed, p.Epoch, p.First = k.number("seed", 64), policy.Time(k.number("epoch", 64)), k.number("first", 64)
	return p, k.err == nil && p.ID != 0
}

// The moments of a packet.
const (
	relay     = "relay"
	lost      = "lost"
	left      = "left"
	refusedBy = "refused"
)

// packetComment returns the comment of a packet.
func packetComment(e *ledger.Entry) string {
	moment := relay
	switch {
	case e.Kind == ledger.Left:
		moment = left
	case e.Kind == ledger.Refused:
		moment = refusedBy
	case e.Lost():
		moment = lost
	}
	var w words
	fmt.Fprintf(&w, "%s %d %s", e.Direction, e.Number, moment)
	w.text("rule", e.Rule)
	w.number("series", uint64(e.Series))
	w.number("copy", uint64(e.Ordinal))
	w.yes("neighbour", e.Neighbour)
	w.number("program", uint64(e.Program))
	w.number("judged", uint64(e.Judged))
	v := e.Verdict
	switch {
	case v.Mark:
		w.text("mark", v.By.String())
	case v.By != policy.Relay:
		w.text("by", v.By.String())
	}
	w.text("why", e.Why)
	w.number("copies", uint64(v.Copies))
	w.number("flips", uint64(v.Flips))
	w.number("behind", uint64(v.Behind))
	if v.Delay != 0 {
		w.text("delay", time.Duration(v.Delay).String())
	}
	if e.Marked {
		w.text("marked", ledger.WhyQueue)
	}
	return w.String()
}

var errComment = errors.New("a packet without a comment of insanely record")

// parsePacket reads the comment of a packet. The error is errComment if it is another one.
func parsePacket(comment string, e *ledger.Entry) error {
	fields := strings.Fields(comment)
	if len(fields) < 3 {
		return errComment
	}
	k := keysOf(fields[3:])
	*e = ledger.Entry{
		Direction: k.direction(fields[0]), Number: k.parse(fields[1], 64), Rule: k.text("rule"),
		Series: uint32(k.number("series", 32)), Ordinal: uint32(k.number("copy", 32)), Neighbour: k.text("neighbour") == yes,
		Program: uint32(k.number("program", 32)), Judged: policy.Time(k.number("judged", 64)),
		Why: k.text("why"), Marked: k.text("marked") == ledger.WhyQueue,
	}
	e.Verdict.Change = policy.Change{
		Copies: uint32(k.number("copies", 32)), Flips: uint32(k.number("flips", 32)), Behind: uint32(k.number("behind", 32)),
	}
	e.Verdict.Delay = k.duration("delay")
	e.Verdict.By = k.stage("by")
	if by := k.stage("mark"); by != policy.Relay {
		e.Verdict.Loss = policy.Loss{By: by, Mark: true}
	}
	switch fields[2] {
	case relay, lost:
		e.Kind = ledger.Arrived
	case left:
		e.Kind = ledger.Left
	case refusedBy:
		e.Kind = ledger.Refused
	default:
		return errComment
	}
	if k.err != nil || e.Kind != ledger.Left && (fields[2] == relay) == e.Lost() {
		return errComment
	}
	return nil
}

// keys are the values of a comment by their keys, and the first thing wrong about them.
type keys struct {
	values map[string]string
	err    error
}

func keysOf(fields []string) *keys {
	k := &keys{values: make(map[string]string, len(fields))}
	for _, field := range fields {
		if key, value, ok := strings.Cut(field, "="); ok {
			k.values[key] = value
		}
	}
	return k
}

func (k *keys) text(key string) string { return k.values[key] }

// number returns the value of a key; 0 if it is not there.
func (k *keys) number(key string, bits int) uint64 {
	if text, there := k.values[key]; there {
		return k.parse(text, bits)
	}
	return 0
}

func (k *keys) parse(text string, bits int) uint64 {
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil && k.err == nil {
		k.err = err
	}
	return n
}

func (k *keys) duration(key string) policy.Time {
	text, there := k.values[key]
	if !there {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		k.err = errComment
		return 0
	}
	return policy.Time(d)
}

func (k *keys) direction(text string) policy.Direction {
	switch text {
	case policy.TX.String():
		return policy.TX
	case policy.RX.String():
		return policy.RX
	}
	k.err = errComment
	return policy.TX
}

func (k *keys) stage(key string) policy.Stage {
	text, there := k.values[key]
	if !there {
		return policy.Relay
	}
	stage, ok := policy.StageOf(text)
	if !ok {
		k.err = errComment
	}
	return stage
}
