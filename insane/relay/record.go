package relay

import (
	"slices"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/policy"
)

// recording is what Run needs while somebody records.
type recording struct {
	recorders []*ledger.Recorder
	snaplen   int // the most bytes of a packet that one of them wants
	wire      frame.Wire
	entry     ledger.Entry
}

// Record makes the relay write to a recorder, from the next batch on. Packets that are held then
// have no entry of their arrival. Call it like SetRuleset. It waits for nothing.
func (r *Relay) Record(to *ledger.Recorder) {
	next := new(recording)
	if present := r.recording.Load(); present != nil {
		next.recorders = slices.Clone(present.recorders)
	}
	next.recorders = append(next.recorders, to)
	r.recording.Store(next.sized())
}

// StopRecord ends what Record has begun. A batch that has begun may still write. Call it like
// SetRuleset. It waits for nothing.
func (r *Relay) StopRecord(to *ledger.Recorder) {
	present := r.recording.Load()
	if present == nil {
		return
	}
	left := slices.DeleteFunc(slices.Clone(present.recorders), func(other *ledger.Recorder) bool { return other == to })
	if len(left) == 0 {
		r.recording.Store(nil)
		return
	}
	r.recording.Store((&recording{recorders: left}).sized())
}

// sized sets snaplen.
func (t *recording) sized() *recording {
	for _, to := range t.recorders {
		t.snaplen = max(t.snaplen, to.Snaplen())
	}
	return t
}

// origin says which packet the first one of a frame is, or of which packet it is a copy.
type origin struct {
	number uint64
	of     uint32 // the series of the number, and in the lowest bits the ordinal of a copy
}

const ordinalBits = 8 // a policy has no more copies

// origin returns the origin of a packet of the present class, or of one of its copies.
func (r *Relay) origin(number uint64, ordinal uint32) origin {
	return origin{number, r.class.rule.next.series<<ordinalBits | ordinal}
}

// seen records packets of a frame that have come, before the frame is changed. verdicts has one for
// each of them, or one for all; if there is none, why says why. The first has a number.
func (r *Relay) seen(f frame.Frame, number uint64, why string, verdicts ...policy.Verdict) {
	t := r.tape
	if t == nil {
		return
	}
	packets, _ := t.wire.Open(f)
	e := &t.entry
	*e = ledger.Entry{Kind: ledger.Arrived, Rule: r.class.rule.Name, Series: r.class.rule.next.series, Time: r.arrived, Judged: r.now, Why: why}
	for i := range packets {
		e.Number = number + uint64(i)
		switch {
		case len(verdicts) == 1:
			e.Verdict = verdicts[0]
		case i < len(verdicts):
			e.Verdict = verdicts[i]
		}
		rule := r.class.rule
		if i < len(r.sources) {
			rule = r.sources[i].tell(e)
		}
		r.record(i, rule)
	}
}

// seenNeighbour records the arrival of a frame that has neither number nor verdict, and returns
// its origin. why says why it is lost; "" if it is not.
func (r *Relay) seenNeighbour(f frame.Frame, why string) (o origin) {
	t := r.tape
	if t == nil {
		return o
	}
	o.number = r.neighbours
	packets, _ := t.wire.Open(f)
	for i := range packets {
		t.entry = ledger.Entry{Kind: ledger.Arrived, Neighbour: true, Number: r.neighbours, Time: r.arrived, Why: why}
		r.neighbours++
		r.record(i, r.class.rule)
	}
	return o
}

// gone records what has become of a frame behind its verdict: why says why it is lost, "" that it
// was relayed at a time.
func (r *Relay) gone(f frame.Frame, s share, why string, at policy.Time) {
	r.goneFrom(0, f, s, why, at)
}

// goneFrom is gone for the packets of a frame from one on. s is that of the whole frame.
func (r *Relay) goneFrom(first int, f frame.Frame, s share, why string, at policy.Time) {
	t := r.tape
	if t == nil {
		return
	}
	e := &t.entry
	*e = ledger.Entry{
		Kind: ledger.Left, Rule: s.class.rule.Name, Neighbour: s.spared, Series: s.origin.of >> ordinalBits,
		Ordinal: s.origin.of & (1<<ordinalBits - 1), Time: at, Why: why, Marked: s.marked,
	}
	if why != "" {
		e.Kind = ledger.Refused
	}
	packets, _ := t.wire.Open(f)
	for i := first; i < packets; i++ {
		e.Number = s.origin.number + uint64(i)
		r.record(i, nil)
	}
}

// record writes the entry to all who want it. It is of packet i of what the wire shows. rule is
// the one that has judged an arrival.
func (r *Relay) record(i int, rule *Rule) {
	t := r.tape
	e := &t.entry
	lost, looked := e.Lost(), false
	var bytes []byte
	for _, to := range t.recorders {
		if !to.Wants(e.Rule, lost) {
			continue
		}
		if !looked {
			var length int
			length, bytes = t.wire.Packet(i, t.snaplen)
			e.Length, looked = uint32(length), true
		}
		e.Bytes = bytes[:min(len(bytes), to.Snaplen())]
		if e.Kind == ledger.Arrived && !e.Neighbour {
			e.Program = to.Program(rule, func() ledger.Program { return programOf(rule) })
		}
		to.Entry(e)
	}
}

// programOf returns what compiles to the program of a rule.
func programOf(rule *Rule) ledger.Program {
	return ledger.Program{Rule: rule.Name, Policy: rule.Policy.String(), Epoch: rule.Epoch, Seed: rule.seed, First: rule.first}
}
