package relay

import (
	"errors"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// judge decides about one frame. Every packet takes a number of its rule, even if it is
// dropped later, so that its verdict depends only on the packets before it. Messages of
// neighbours take none, unless the ruleset judges them. Packets that wait are not asked yet
// whether there is somewhere to send them to. What cannot be judged belongs to the policy of
// the direction.
func (r *Relay) judge(f frame.Frame, to *End) {
	r.class = r.touch(r.own)
	layout, err := frame.Inspect(f)
	if err != nil {
		r.notJudged(f, err)
		return
	}
	spared := !r.rs.JudgeNeighbours && frame.Neighbour(f)
	if r.rs.table == nil {
		r.judgeAll(f, &layout, spared, to)
	} else {
		r.classify(f, &layout, spared, to)
	}
}

// judgeAll decides about a frame whose packets belong to r.class.
func (r *Relay) judgeAll(f frame.Frame, layout *frame.Layout, spared bool, to *End) {
	if r.rs.replay != nil && !spared && r.replay(f, layout, to) {
		return
	}
	changes := r.class.program.Stages&^policy.Losses != 0
	if !layout.Whole() && !changes && carriesTunnels(to.Port) {
		layout.Mark(f) // what waits may leave through another port, and is taken apart
	}
	n := layout.Packets()
	all := api.Count{Packets: uint64(n), Bytes: layout.Bytes(0, n)}
	number := uint64(0)
	if !spared {
		number = r.class.rule.next.take(uint64(n))
		add(&r.class.delta.offered, all)
	}
	waits := r.class.holds && !spared
	switch {
	case !waits && to.Port == nil:
		r.refuse(f, number, to.Why, share{Count: all, class: r.class, spared: spared})
	case !waits && to.MTU > 0 && layout.MTU() > to.MTU:
		r.refuse(f, number, DropTooBig, share{Count: all, class: r.class, spared: spared})
	case spared:
		r.pass(f, share{Count: all, class: r.class, spared: true, origin: r.seenNeighbour(f, "")})
	case changes:
		r.carry(f, layout, number)
	case r.class.program.Uniform(uint32(n)):
		v := r.decide(number, uint64(n), false)
		r.seen(f, number, "", v)
		switch {
		case v.Lost():
			r.class.delta.dropBy(v.By, all)
		case layout.Whole():
			r.pass(f, share{Count: all, class: r.class, origin: r.origin(number, 0)})
		default:
			r.same(v, n)
			r.split(f, layout, number)
		}
	default:
		r.decideEach(number, n, false)
		r.seen(f, number, "", r.verdicts...)
		r.split(f, layout, number)
	}
}

// refuse drops a frame that nothing was decided about, for a reason that is not the policy.
func (r *Relay) refuse(f frame.Frame, number uint64, why Reason, s share) {
	if s.spared {
		r.seenNeighbour(f, why.String())
	} else {
		r.seen(f, number, why.String())
	}
	s.class.delta.refuse(why, s)
}

// carriesTunnels reports whether a port, which may be nil, carries super-frames of UDP tunnels
// in one piece.
func carriesTunnels(p port.Port) bool {
	t, ok := p.(port.Tunneller)
	return ok && t.CarriesTunnels()
}

// notJudged drops a frame of which nobody can tell the packets. It counts as one packet.
func (r *Relay) notJudged(f frame.Frame, err error) {
	c := api.Count{Packets: 1, Bytes: uint64(max(0, len(f)-frame.HeaderLen))}
	number := r.class.rule.next.take(1)
	add(&r.class.delta.offered, c)
	why := DropMalformed
	if errors.Is(err, frame.ErrUnsupported) {
		why = DropUnreadable
	}
	r.seen(f, number, why.String())
	r.class.delta.drop(why, c)
	r.trouble("drop frame", err)
}

// decide asks for one verdict and counts it for n packets. capable: they can be marked.
func (r *Relay) decide(number, n uint64, capable bool) policy.Verdict {
	v := r.class.program.DecideWith(r.class.memo, r.now, number)
	if v.Mark {
		v = v.Settle(capable)
	}
	r.judged(v, n)
	return v
}

// judged counts a verdict on n packets.
func (r *Relay) judged(v policy.Verdict, n uint64) {
	if v.Lost() {
		r.class.delta.verdicts.Drop += n
	} else {
		r.class.delta.verdicts.Relay += n
	}
}

// pass adds a frame to the frames that this batch relays.
func (r *Relay) pass(f frame.Frame, s share) {
	if r.sampling.Load() && !s.spared {
		r.sample(f)
	}
	r.out = append(r.out, f)
	r.outShares = append(r.outShares, s)
}
