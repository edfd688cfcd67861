package relay

import (
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// hold puts packets with one verdict into the line. What finds the queue of the link full is
// lost. It returns those that found no memory.
func (r *Relay) hold(f frame.Frame, l *frame.Layout, v policy.Verdict, c api.Count) (lost api.Count) {
	item := line.Item{
		Frame: f, Arrival: r.arrived, Delay: v.Delay, Behind: v.Behind,
		Tag: line.Tag{Priority: r.label.Priority, Mark: r.label.Mark, Flags: r.mtu},
	}
	if c.Packets > 1 {
		item.Layout = l
	}
	kept, why := r.line.Push(&item)
	if why == line.Taken {
		return api.Count{}
	}
	lost = c
	if kept > 0 {
		lost = api.Count{Packets: c.Packets - uint64(kept), Bytes: l.Bytes(kept, int(c.Packets))}
	}
	if why == line.QueueFull {
		r.delta.dropBy(policy.ByQueue, lost)
		return api.Count{}
	}
	return lost
}

// release passes on what is due, and returns when more is; 0: nothing is held. Nothing is
// read meanwhile: what is overdue would become later still.
func (r *Relay) release() (until policy.Time) {
	rs := r.ruleset.Load()
	ending := r.ending.Load()
	holds := rs.Program.Holds() && !ending
	r.stamp(holds)
	if err := r.urgency.Set(holds); err != nil {
		r.log.Debug("wake with the priority of other threads", "err", err)
	}
	now := policy.Time(0)
	if rs != r.settled || ending {
		now = r.clock()
		r.settle(rs, now, ending)
	}
	for {
		next, some := r.line.Next()
		if !some {
			return 0
		}
		if next > now {
			if now = r.clock(); next > now {
				return next
			}
		}
		r.since.Store(int64(now))
		r.releaseDue(rs, now)
		r.since.Store(0)
		now = r.clock()
	}
}

// settle makes the line follow a ruleset.
func (r *Relay) settle(rs *Ruleset, now policy.Time, ending bool) {
	r.settled, r.arrived = rs, now
	if ending {
		r.line.Set(now, line.Settings{})
		return
	}
	settings := line.SettingsOf(&rs.Program, now)
	if settings.SlotLength != nil {
		settings.SlotEpoch = rs.Epoch // earlier than now after a change of the seed alone
	}
	r.line.Set(now, settings)
}

// releaseDue passes on a batch of what is due now.
func (r *Relay) releaseDue(rs *Ruleset, now policy.Time) {
	r.began = now
	r.clear()
	r.parts = r.parts[:0]
	to := r.to.Load()
	for len(r.parts) < mostParts {
		p, ok := r.line.Pop(now)
		if !ok {
			break
		}
		r.parts = append(r.parts, leaving{p.Due, p.Packets})
		r.leave(p, to)
	}
	r.flush()
	after := r.clock()
	for _, p := range r.parts {
		rs.late.add(after-min(after, p.due), p.packets)
	}
	r.line.Release()
	r.enter(rs, after)
}

// mostParts is how many parts a batch of the line has at most.
const mostParts = 64

// leaving is when packets were to leave.
type leaving struct {
	due     policy.Time
	packets int
}

// leave adds a part of the line to the frames that this batch relays.
func (r *Relay) leave(p line.Part, to *End) {
	c := api.Count{Packets: uint64(p.Packets), Bytes: p.Bytes}
	if p.Marked {
		add(&r.delta.marked[policy.ByQueue], c)
	}
	if to.MTU > 0 && int(p.Tag.Flags) > to.MTU {
		r.refuse(DropTooBig, share{Count: c})
		return
	}
	r.readdress(p.Frame)
	r.pass(p.Frame, share{Count: c})
	r.outLabels = append(r.outLabels, port.Label{Priority: p.Tag.Priority, Mark: p.Tag.Mark})
}
