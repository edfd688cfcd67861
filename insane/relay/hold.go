package relay

import (
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// hold puts packets with one verdict into the line. What finds the queue of the link full is
// lost. It returns those that found no memory.
func (r *Relay) hold(f frame.Frame, l *frame.Layout, v policy.Verdict, s share) (lost api.Count) {
	c := s.Count
	item := line.Item{
		Frame: f, Arrival: r.arrived, Delay: v.Delay, Behind: v.Behind,
		Tag: line.Tag{Priority: r.label.Priority, Mark: r.label.Mark, Number: s.origin.number, Flags: r.mtu, Origin: s.origin.of},
	}
	if c.Packets > 1 {
		item.Layout = l
	}
	if s.noRoom {
		r.gone(f, s, ledger.WhyQueue, r.now)
		r.class.delta.dropBy(policy.ByQueue, c)
		return api.Count{}
	}
	item.Admitted = s.room
	kept, why := r.class.line.Push(&item)
	if why == line.Taken {
		return api.Count{}
	}
	lost = c
	if kept > 0 {
		lost = api.Count{Packets: c.Packets - uint64(kept), Bytes: l.Bytes(kept, int(c.Packets))}
	}
	if why == line.QueueFull {
		r.goneFrom(kept, f, s, ledger.WhyQueue, r.now)
		r.class.delta.dropBy(policy.ByQueue, lost)
		return api.Count{}
	}
	r.goneFrom(kept, f, s, ledger.WhyMemory, r.now)
	return lost
}

// release passes on what is due, and returns when more is; 0: nothing is held. Nothing is
// read meanwhile: what is overdue would become later still.
func (r *Relay) release() (until policy.Time) {
	rs := r.ruleset.Load()
	ending := r.ending.Load()
	holds := rs.Holds() && !ending
	r.stamp(holds)
	if err := r.urgency.Set(holds, r.began); err != nil {
		r.log.Debug("wake with the priority of other threads", "err", err)
	}
	now := policy.Time(0)
	if rs != r.settled || ending {
		now = r.clock()
		r.settle(rs, now, ending)
	}
	for len(r.waiting) > 0 {
		if next := r.waiting[0].at; next > now {
			if now = r.clock(); next > now {
				return next
			}
		}
		r.since.Store(int64(now))
		r.releaseDue(now)
		r.since.Store(0)
		now = r.clock()
	}
	return 0
}

// settle makes the lines follow a ruleset.
func (r *Relay) settle(rs *Ruleset, now policy.Time, ending bool) {
	r.settled, r.arrived = rs, now
	r.follow(r.own, rs.Rule, rs.Program, now)
	r.settleClasses(rs, now)
	if ending {
		r.stopWaiting(r.own, now)
		for _, c := range r.classes {
			r.stopWaiting(c, now)
		}
	}
}

// follow makes a class follow a rule with a program. Nothing changes for what waits if the
// program is the same as before.
func (r *Relay) follow(c *class, rule *Rule, program *policy.Program, now policy.Time) {
	same := c.program == program
	r.retire(c, rule)
	c.rule, c.holds = rule, rule.holds
	if same {
		return
	}
	c.compiled(program)
	if c.line == nil {
		if !c.holds {
			return
		}
		c.line = line.New(line.Options{Memory: r.memory})
	}
	settings := line.SettingsOf(program, now)
	if settings.SlotLength != nil {
		settings.SlotEpoch = rule.Epoch // earlier than now after a change of the seed alone
	}
	c.line.Set(now, settings)
	r.waiting.schedule(c)
}

// stopWaiting lets go at once what a class holds. c may be nil.
func (r *Relay) stopWaiting(c *class, now policy.Time) {
	if c != nil && c.line != nil {
		c.line.Set(now, line.Settings{})
		r.waiting.schedule(c)
	}
}

// releaseDue passes on a batch of what is due now.
func (r *Relay) releaseDue(now policy.Time) {
	r.began, r.tape = now, r.recording.Load()
	r.clear()
	r.parts = r.parts[:0]
	to := r.to.Load()
	for len(r.parts) < mostParts && r.waiting[0].at <= now {
		c := r.touch(r.waiting[0])
		p, ok := c.line.Pop(now)
		if !ok {
			r.waiting.postpone(c)
			continue
		}
		r.parts = append(r.parts, leaving{p.Due, p.Packets, c})
		r.leave(c, p, to)
		if len(r.waiting) > 1 {
			r.waiting.schedule(c)
		}
	}
	begun := r.clock()
	r.flush()
	after := r.clock()
	for i, p := range r.parts {
		left := begun + (after-begun)*policy.Time(i)/policy.Time(len(r.parts)) // one after the other
		p.class.rule.late.add(left-min(left, p.due), p.packets)
	}
	for _, c := range r.touched {
		c.line.Release()
		r.waiting.schedule(c)
	}
	r.enter(after)
}

// mostParts is how many parts a batch of the lines has at most.
const mostParts = 64

// leaving is when packets of a class were to leave.
type leaving struct {
	due     policy.Time
	packets int
	class   *class
}

// leave adds a part of the line of a class to the frames that this batch relays.
func (r *Relay) leave(c *class, p line.Part, to *End) {
	n := api.Count{Packets: uint64(p.Packets), Bytes: p.Bytes}
	if p.Marked {
		add(&c.delta.marked[policy.ByQueue], n)
	}
	s := share{Count: n, class: c, marked: p.Marked, origin: origin{p.Tag.Number + uint64(p.From), p.Tag.Origin}}
	if to.MTU > 0 && int(p.Tag.Flags) > to.MTU {
		r.gone(p.Frame, s, DropTooBig.String(), r.began)
		c.delta.refuse(DropTooBig, s)
		return
	}
	r.readdress(p.Frame)
	r.pass(p.Frame, s)
	r.outLabels = append(r.outLabels, port.Label{Priority: p.Tag.Priority, Mark: p.Tag.Mark})
}
