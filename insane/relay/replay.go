package relay

import (
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// replaying is a replay in force.
type replaying struct {
	table     *replay.Table
	direction policy.Direction
	rules     []*Rule // for the ledger, those that judged the recorded packets, by their programs
}

// SetReplay gives packets of a direction that were recorded the verdicts that they had then, until
// the next call of SetPolicy, SetRules, JudgeNeighbours, Reseed or SetReplay; nil ends it. They
// take no numbers: they have those of the recording, in a series of their own. Call it like
// SetRuleset.
func (r *Relay) SetReplay(t *replay.Table, d policy.Direction) {
	rs := *r.ruleset.Load()
	rs.replay = nil
	if t != nil {
		p := &replaying{table: t, direction: d}
		for i := range t.Programs() {
			told := &t.Programs()[i].Told
			p.rules = append(p.rules, &Rule{
				Name: told.Rule, Policy: t.Programs()[i].Policy, Epoch: told.Epoch, seed: told.Seed, first: told.First,
				next: &numbers{series: r.nextSeries()},
			})
		}
		rs.replay = p
	}
	r.SetRuleset(&rs)
}

// Replay returns the recording that is replayed; nil: there is none.
func (rs *Ruleset) Replay() *replay.Table {
	if rs.replay == nil {
		return nil
	}
	return rs.replay.table
}

// source is what the verdict on a packet was drawn from.
type source struct {
	program  *policy.Program
	rule     *Rule // of the program
	number   uint64
	judged   policy.Time
	replayed bool
	queue    replay.Ordinals // which copies the queue has lost in the recording
}

// sourceOf returns the source of packet i of the present frame.
func (r *Relay) sourceOf(i int) source {
	if i < len(r.sources) {
		return r.sources[i]
	}
	return source{program: r.class.program, rule: r.class.rule, number: r.first + uint64(i), judged: r.now}
}

// origin returns the origin of the packet, or of one of its copies.
func (s *source) origin(ordinal uint32) origin {
	return origin{s.number, s.rule.next.series<<ordinalBits | ordinal}
}

// tell completes the entry of the arrival of the packet.
func (s *source) tell(e *ledger.Entry) *Rule {
	e.Number, e.Series, e.Judged = s.number, s.rule.next.series, s.judged
	return s.rule
}

// together reports whether packets i to j of the present frame, which have one verdict, may stay in
// one frame: then the origin of the first one tells those of all.
func (r *Relay) together(i, j int) bool {
	if len(r.sources) == 0 {
		return true
	}
	a, b := &r.sources[i], &r.sources[j]
	return a.rule == b.rule && a.number+uint64(j-i) == b.number && a.replayed == b.replayed && a.queue == b.queue
}

// replay decides about a frame of which packets were recorded. The others, behind them, have numbers
// of their own. It returns false if none was: then nothing has happened.
func (r *Relay) replay(f frame.Frame, l *frame.Layout, to *End) bool {
	p, n := r.rs.replay, l.Packets()
	id := replay.Identify(f)
	if r.met = p.table.Meet(p.direction, &id, n, r.met[:0]); len(r.met) == 0 {
		return false
	}
	all := api.Count{Packets: uint64(n), Bytes: l.Bytes(0, n)}
	add(&r.class.delta.offered, all)
	r.trace(p, n)
	s := share{Count: all, class: r.class}
	switch waits := r.class.holds; {
	case !waits && to.Port == nil:
		r.refuse(f, 0, to.Why, s)
	case !waits && to.MTU > 0 && l.MTU() > to.MTU:
		r.refuse(f, 0, DropTooBig, s)
	default:
		r.repeat(frame.Capable(f))
		r.seen(f, 0, "", r.verdicts...)
		r.carryOut(f, l)
	}
	r.sources = r.sources[:0]
	return true
}

// trace notes the sources of the n packets of a frame.
func (r *Relay) trace(p *replaying, n int) {
	r.sources = r.sources[:0]
	for i := range r.met {
		k := &r.met[i]
		r.sources = append(r.sources, source{
			program: &p.table.Programs()[k.Program].Compiled, rule: p.rules[k.Program], number: k.Number, judged: k.Judged,
			replayed: true, queue: k.Queue,
		})
	}
	if own := n - len(r.met); own > 0 {
		first := r.class.rule.next.take(uint64(own))
		for i := range own {
			r.sources = append(r.sources, source{program: r.class.program, rule: r.class.rule, number: first + uint64(i), judged: r.now})
		}
	}
}

// repeat makes the verdicts of the packets of a frame: the recorded ones, and those of the policy.
// capable: they can be marked.
func (r *Relay) repeat(capable bool) {
	r.verdicts, r.keep = r.verdicts[:0], r.keep[:0]
	for i := range r.sources {
		var v policy.Verdict
		if i < len(r.met) {
			v = r.met[i].Verdict.Settle(capable)
			r.judged(v, 1)
		} else {
			v = r.decide(r.sources[i].number, 1, capable)
		}
		r.verdicts, r.keep = append(r.verdicts, v), append(r.keep, !v.Lost())
	}
}
