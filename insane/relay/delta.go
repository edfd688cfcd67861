package relay

import (
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// delta is the sum that one batch adds to the counters.
type delta struct {
	offered, relayed api.Count
	neighbour        api.Count // relayed without a verdict, and not among offered and relayed
	dropped          [reasons]api.Count
	stages           [policy.StageNumbers]api.Count // DropPolicy, by the number of the stage
	verdicts         api.Verdicts

	copied, damaged, reordered api.Count
	marked                     [policy.StageNumbers]api.Count // by the number of the stage
	overruns                   uint64                         // packets that found no memory
	drawn                      drawn
}

// share is the part of the counters that one frame adds, to those of a class. spared: it is a
// message of neighbours, which has no verdict and is not counted as offered.
type share struct {
	api.Count
	class  *class
	spared bool
	marked bool   // it was marked while it waited
	room   bool   // the queue of the link had room for it when it was recorded, if not noRoom
	noRoom bool   // and had none
	origin origin // of its first packet
}

// relay counts a frame that was relayed.
func (p *delta) relay(s share) {
	if s.spared {
		add(&p.neighbour, s.Count)
		return
	}
	add(&p.relayed, s.Count)
}

// refuse counts a frame that could not be relayed, for a reason that is not the policy. A
// spared frame counts as offered then.
func (p *delta) refuse(why Reason, s share) {
	if s.spared {
		add(&p.offered, s.Count)
	}
	p.drop(why, s.Count)
}

// overrun counts packets that found no memory in which to wait. No policy has asked for that,
// so that they are taken from the sum in which they were counted: offered or copied.
func (p *delta) overrun(from *api.Count, c api.Count) {
	p.overruns += c.Packets
	from.Packets -= c.Packets
	from.Bytes -= c.Bytes
}

// drop counts packets that were dropped for a reason.
func (p *delta) drop(why Reason, c api.Count) { add(&p.dropped[why], c) }

// dropBy counts packets that a stage of the policy dropped.
func (p *delta) dropBy(stage policy.Stage, c api.Count) {
	p.drop(DropPolicy, c)
	add(&p.stages[stage], c)
}

// add adds packets and bytes to a sum.
func add(sum *api.Count, c api.Count) {
	sum.Packets += c.Packets
	sum.Bytes += c.Bytes
}

// add adds what another part of the events has counted.
func (p *delta) add(o *delta) {
	add(&p.offered, o.offered)
	add(&p.relayed, o.relayed)
	add(&p.neighbour, o.neighbour)
	for why := range o.dropped {
		add(&p.dropped[why], o.dropped[why])
	}
	for stage := range o.stages {
		add(&p.stages[stage], o.stages[stage])
		add(&p.marked[stage], o.marked[stage])
	}
	p.verdicts.Relay += o.verdicts.Relay
	p.verdicts.Drop += o.verdicts.Drop
	add(&p.copied, o.copied)
	add(&p.damaged, o.damaged)
	add(&p.reordered, o.reordered)
	p.overruns += o.overruns
	p.drawn.add(o.drawn)
}
