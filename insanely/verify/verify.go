package verify

import (
	"slices"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/verify/witness"
	"github.com/seed-39a139a1/insane/policy"
)

// judge compares what was seen with what was asked for.
func (w *watch) judge() (Report, error) {
	r := Report{
		Device: w.begin.info.Name, Slave: w.begin.info.Slave, Path: w.end.info.Path, Notes: []string{}, Lines: []Line{},
		Seconds: time.Duration(w.end.asked - w.begin.told).Seconds(),
	}
	tx := w.pairing(policy.TX, w.seen.seen[witness.HostSends], w.seen.seen[witness.SlaveSends])
	tx.pair()
	if err := w.direction(&r, policy.TX, tx); err != nil {
		return r, err
	}
	if w.begin.info.Receive != api.ReceiveNone {
		o := newOwner(w.begin.info, w.seen, tx, w.own(tx))
		arrived := slices.DeleteFunc(w.seen.seen[witness.SlaveHears], func(s sighting) bool { return !o.takes(&s) })
		groups := uint64(0) // each of the two may have a copy
		for _, s := range w.seen.seen[witness.HostHears] {
			if !o.all && s.marks&group != 0 && s.rule != spared {
				groups++
			}
		}
		heard := slices.DeleteFunc(w.seen.seen[witness.HostHears], func(s sighting) bool { return !o.all && s.marks&group != 0 })
		rx := w.pairing(policy.RX, arrived, heard)
		rx.all, rx.groups = true, groups
		rx.pair()
		if err := w.direction(&r, policy.RX, rx); err != nil {
			return r, err
		}
	}
	for _, n := range w.seen.unreadable {
		if n > 0 {
			r.Notes = append(r.Notes, count(n)+" super-frames of tunnels could not be taken apart: their packets are left out")
		}
	}
	for _, l := range r.Lines {
		switch l.Verdict {
		case Differs:
			r.Differs++
		case Few:
			r.Few++
		}
	}
	return r, nil
}

func (w *watch) pairing(d policy.Direction, before, after []sighting) *pairing {
	p := &pairing{
		before: before, after: after, hold: w.hold.Nanoseconds(), opened: w.opened,
		from: w.begin.told, to: w.end.asked,
	}
	for _, r := range w.begin.rules {
		said := directionOf(r, d)
		damages := false
		if said != nil {
			a, err := read(said.Policy)
			damages = err == nil && a.corrupt > 0
		}
		p.damages = append(p.damages, damages)
	}
	return p
}

// own returns what leaves through the slave and is not the device's.
func (w *watch) own(tx *pairing) (own []sighting) {
	names := make(map[uint64]bool, len(tx.before))
	for i := range tx.before {
		names[tx.before[i].id.Name] = true
	}
	for _, s := range tx.after {
		if !names[s.id.Name] && s.marks&(broken|group) == 0 {
			own = append(own, s)
		}
	}
	return own
}

// direction adds the lines of one direction.
func (w *watch) direction(r *Report, d policy.Direction, p *pairing) error {
	name, before, after := d.String(), w.begin.info.TX.Stats, w.end.info.TX.Stats
	if d == policy.RX {
		before, after = w.begin.info.RX.Stats, w.end.info.RX.Stats
	}
	for i, rule := range w.begin.rules {
		said := directionOf(rule, d)
		if said == nil {
			continue
		}
		trace := p.trace(int32(i))
		if len(trace) == 0 && said.Policy == "pass" {
			continue
		}
		lines, notes, err := Judge(said.Policy, w.evidence(p, i, d, trace))
		if err != nil {
			return err
		}
		for _, l := range lines {
			l.Direction, l.Rule = name, rule.Name
			r.Lines = append(r.Lines, l)
		}
		for _, n := range notes {
			r.Notes = append(r.Notes, name+" "+rule.Name+": "+n)
		}
	}
	r.Lines = append(r.Lines, counterLines(name, before, after, &w.begin, &w.end, p.before, w.known(p), p.groups)...)
	if p.unsent > 0 {
		r.Notes = append(r.Notes, name+": "+count(p.unsent)+" packets came out that nobody is known to have sent")
	}
	return nil
}

// late is how much later than they are due packets may leave without being blamed. If they are later
// than a part of it on average, the machine is so busy that some are much later.
const late = time.Millisecond

// isBusy reports whether packets left so late between two looks that delays look longer.
func isBusy(before, after api.Late) bool {
	n := after.Packets - before.Packets
	return n > 0 && time.Duration(after.Sum-before.Sum)/time.Duration(n) > late/4
}

// evidence returns what was seen of the packets of a rule.
func (w *watch) evidence(p *pairing, rule int, d policy.Direction, trace []Packet) Seen {
	before, after := directionOf(w.begin.rules[rule], d), directionOf(w.end.rules[rule], d)
	low, high := countedIn(p.before, &w.begin, &w.end, int32(rule))
	return Seen{
		Trace: trace, Guessed: p.guessed[int32(rule)], Late: late.Nanoseconds(),
		Busy:   isBusy(before.Late, after.Late),
		Queue:  after.Stats.Stages["queue"].Packets - before.Stats.Stages["queue"].Packets,
		First:  before.Verdicts.Relay + before.Verdicts.Drop,
		Unsure: high - low,
	}
}

// known returns what came out of the device of all that was seen behind it.
func (w *watch) known(p *pairing) []sighting {
	if p.all {
		return p.after
	}
	names := make(map[uint64]bool, len(p.before))
	for i := range p.before {
		names[p.before[i].id.Name] = true
	}
	var known []sighting
	for _, s := range p.after {
		if names[s.id.Name] || s.marks&broken != 0 {
			known = append(known, s)
		}
	}
	return known
}
