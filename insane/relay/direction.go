package relay

import (
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Direction returns the state of the direction with the ruleset rs as the control socket
// reports it: the counters of the relay and of the kernel together. why is the reason why
// the relay carries everything; "" if the kernel carries what it can. overruns counts the
// frames that the kernel lost before they reached the relay. It waits for no batch, and may
// be called by any goroutine.
func (r *Relay) Direction(rs *Ruleset, why string, overruns uint64) api.Direction {
	d := api.Direction{
		Policy: rs.Policy.String(), Stats: r.counters.stats(), Late: rs.late.read(),
		Path: api.PathRelay, PathReason: why,
	}
	d.Verdicts, d.Did = r.counters.done(rs.Rule, r.clock())
	d.Stats.Overruns = overruns
	if r.kernel == nil {
		return d
	}
	if why == "" {
		d.Path = api.PathKernel
	}
	addKernel(&d.Stats, r.kernel.Counts())
	addVerdicts(&d.Verdicts, r.kernel.CountsOf(rs.Rule))
	return d
}

// ruleDirection returns the state of a rule of the direction.
func (r *Relay) ruleDirection(rule *Rule) *api.RuleDirection {
	d := &api.RuleDirection{Policy: rule.Policy.String(), Late: rule.late.read(), Stats: r.counters.statsOf(rule)}
	d.Verdicts, d.Did = r.counters.done(rule, r.clock())
	d.Did.Rate = 0
	if r.kernel == nil {
		return d
	}
	var all, own kern.Counts
	if rule.Name == "" {
		all, own = r.kernel.CountsOfNone(), r.kernel.CountsOf(rule)
	} else if account := r.counters.hasAccount(rule); account != nil {
		all, own = r.kernel.CountsOfRule(account, rule)
	}
	addKernel(&d.Stats, all)
	addVerdicts(&d.Verdicts, own)
	return d
}

// addKernel adds what the kernel has counted.
func addKernel(s *api.Stats, k kern.Counts) {
	relayed := api.Count{Packets: k.RelayedPackets, Bytes: k.RelayedBytes}
	add(&s.Offered, relayed)
	add(&s.Relayed, relayed)
	add(&s.Neighbour, api.Count{Packets: k.NeighbourPackets, Bytes: k.NeighbourBytes})
	addDropped(s, DropPolicy, api.Count{Packets: k.DroppedPackets, Bytes: k.DroppedBytes})
	addDropped(s, DropSlaveBusy, api.Count{Packets: k.RefusedPackets, Bytes: k.RefusedBytes})
	for _, stage := range policy.Forms()[1:] { // without pass
		sum, a := s.Stages[stage.Name], k.Stages[stage.Number]
		add(&sum, api.Count{Packets: a.Packets, Bytes: a.Bytes})
		s.Stages[stage.Name] = sum
	}
}

// addDropped adds packets that the kernel's part dropped, as offered and as dropped.
func addDropped(s *api.Stats, why Reason, c api.Count) {
	add(&s.Offered, c)
	sum := s.Dropped[why.String()]
	add(&sum, c)
	s.Dropped[why.String()] = sum
}

// addVerdicts adds the verdicts of the kernel.
func addVerdicts(v *api.Verdicts, k kern.Counts) {
	v.Relay += k.RelayedPackets + k.RefusedPackets - k.UnjudgedPackets
	v.Drop += k.DroppedPackets
}

// Passed returns how many packets were offered, how many were relayed, and how many messages
// of neighbours were relayed without a verdict, on both paths. It waits for no batch, and may
// be called by any goroutine.
func (r *Relay) Passed() (offered, relayed, neighbour uint64) {
	offered, relayed, neighbour = r.counters.passed()
	if r.kernel == nil {
		return offered, relayed, neighbour
	}
	k := r.kernel.Counts()
	return offered + k.RelayedPackets + k.DroppedPackets + k.RefusedPackets, relayed + k.RelayedPackets, neighbour + k.NeighbourPackets
}

// Held returns how many packets wait, as of the last batch. It may be called by any goroutine.
func (r *Relay) Held() uint64 { return r.counters.holds() }

// EnterLost counts frames that the kernel dropped before they reached the relay, for a
// known reason. Their bytes are not known. It may be called by any goroutine.
func (r *Relay) EnterLost(frames uint64, why Reason) { r.counters.enterLost(frames, why) }

// LostInKernel returns how many frames the fast path has lost between the slave and the
// interface; 0 without a fast path.
func (r *Relay) LostInKernel() uint64 {
	if r.kernel == nil {
		return 0
	}
	return r.kernel.Lost()
}
