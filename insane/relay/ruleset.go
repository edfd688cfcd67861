package relay

import (
	"sync/atomic"

	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// Ruleset is a policy in the form in which a direction carries it out. It is immutable and
// replaced as a whole: one ruleset judges all packets of a batch.
type Ruleset struct {
	*Rule                   // the policy of the direction itself, which judges what no other rule does
	Program *policy.Program // compiled from that policy

	rules []*Rule      // in front of it, in order
	names *names       // of the rules
	table *match.Index // finds the rule of a packet; nil: there are no rules

	// The rules that name messages of neighbours, by their places in rules. Other rules do
	// not judge these messages, unless JudgeNeighbours is set.
	neighbours      []int
	neighboursTable *match.Table // finds the places in neighbours; nil: there are none

	replay *replaying // gives recorded packets their verdicts; nil: there is none

	holds   bool   // a policy makes packets wait
	edition uint64 // how many rulesets there were before
	version uint64 // of the rules in the kernel; 0: there are none

	// JudgeNeighbours makes ARP, neighbour discovery, IGMP and MLD packets like all others.
	// Without it they are relayed with neither number nor verdict.
	JudgeNeighbours bool
}

// Rule is a policy, and what belongs to the packets that it judges. It is immutable but for
// its counters.
type Rule struct {
	Name   string // "": the policy of the direction
	match  match.Match
	Policy *policy.Policy // never nil, and never changed
	Epoch  policy.Time    // when the phase of the policy began, on CLOCK_MONOTONIC

	seed   uint64        // with which the policy is compiled
	first  uint64        // number of its first packet
	holds  bool          // the policy makes packets wait
	late   lateness      // of packets that left while the policy was in force
	stages policy.Stages // of the policy
	tally  *tally        // goes on when another policy comes
	next   *numbers      // rules that share them continue one numbering
}

// Uniform reports whether all packets of a frame with this many segments get the same
// verdict, no matter which numbers they have.
func (rs *Ruleset) Uniform(segments uint32) bool {
	return len(rs.rules) == 0 && rs.Program.Uniform(segments)
}

// Holds reports whether a policy of the ruleset makes packets wait.
func (rs *Ruleset) Holds() bool { return rs.holds }

// Ruleset returns the ruleset in force. It stays valid when another one is set.
func (r *Relay) Ruleset() *Ruleset { return r.ruleset.Load() }

// SetPolicy sets the policy of the direction. Its phase begins at epoch; seed is the seed
// of this direction. The packet numbers continue; lists of packets count from the next number.
// A packet that another processor or the present batch judges meanwhile may still have the
// policy before, with a number behind that. The kernel leaves everything to the relay until
// OpenKernel is called.
func (r *Relay) SetPolicy(p policy.Policy, epoch policy.Time, seed uint64) {
	rs := Ruleset{JudgeNeighbours: r.judges}
	if old := r.ruleset.Load(); old != nil {
		rs = *old
		rs.replay = nil
	}
	r.CloseKernel()
	first := r.next.peek()
	program := p.CompileAt(policy.Start{Epoch: epoch, Seed: seed, First: first})
	rs.Program = &program
	rs.Rule = &Rule{Policy: &p, Epoch: epoch, seed: seed, first: first, holds: program.Holds(), stages: program.Stages,
		tally: r.tally, next: r.next}
	rs.compute()
	r.SetRuleset(&rs)
}

// SetRuleset sets a copy of a ruleset that Ruleset has returned. The kernel leaves
// everything to the relay until OpenKernel is called: otherwise one frame could meet the
// new ruleset in the relay, and a later frame the old ruleset in the kernel.
func (r *Relay) SetRuleset(rs *Ruleset) {
	r.CloseKernel()
	r.edition++
	rs.edition, rs.version = r.edition, 0
	if r.kernel != nil && len(rs.rules) > 0 {
		rs.version = r.edition
	}
	r.ruleset.Store(rs)
	r.wake()
}

// JudgeNeighbours sets whether neighbours are judged, by the present ruleset and by later
// ones. The phase of the policy and the packet numbers continue; the counts of verdicts
// restart at 0. The kernel leaves everything to the relay until OpenKernel is called.
func (r *Relay) JudgeNeighbours(on bool) {
	rs := *r.ruleset.Load()
	own := rs.Rule
	// Another rule, so that its verdicts are counted anew.
	rs.Rule = &Rule{
		Policy: own.Policy, Epoch: own.Epoch, seed: own.seed, first: own.first, holds: own.holds, stages: own.stages,
		tally: own.tally, next: own.next,
	}
	r.judges, rs.JudgeNeighbours, rs.replay = on, on, nil
	r.SetRuleset(&rs)
}

// Reseed compiles the present policy with another seed. The phase of the policy continues;
// the packet numbers restart at 0. The kernel leaves everything to the relay until
// OpenKernel is called.
func (r *Relay) Reseed(seed uint64) {
	if r.kernel != nil {
		r.next = r.newNumbers(r.kernel.Numbers())
	} else {
		r.next = r.newNumbers(new(atomic.Uint64))
	}
	old := r.ruleset.Load()
	rs := *old
	rs.rules = make([]*Rule, len(old.rules))
	rs.names = &names{rules: rs.rules}
	for i, rule := range old.rules {
		rs.rules[i] = &Rule{
			Name: rule.Name, match: rule.match, Policy: rule.Policy, Epoch: rule.Epoch, seed: policy.RuleSeed(seed, rule.Name),
			holds: rule.holds, stages: rule.stages, tally: rule.tally, next: r.newNumbers(new(atomic.Uint64)),
		}
	}
	r.ruleset.Store(&rs)
	r.SetPolicy(*old.Policy, old.Epoch, seed)
}
