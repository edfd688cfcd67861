package relay

import (
	"sync/atomic"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/policy"
)

// Ruleset is a policy in the form in which a direction carries it out. It is immutable and
// replaced as a whole: one ruleset judges all packets of a batch.
type Ruleset struct {
	Policy  policy.Policy
	Epoch   policy.Time    // when the phase of the policy began, on CLOCK_MONOTONIC
	Program policy.Program // compiled from Policy

	// JudgeNeighbours makes ARP, neighbour discovery, IGMP and MLD packets like all others.
	// Without it they are relayed with neither number nor verdict.
	JudgeNeighbours bool

	// memo is of Program; nil if that has no use for one.
	memo *policy.Memo

	// late is how late packets have left while this ruleset was in force.
	late *histogram

	// next is the number of the next packet. Rulesets that share this counter continue one
	// numbering. With a fast path, the kernel takes numbers from it too.
	next *atomic.Uint64
}

// Uniform reports whether all packets of a frame with this many segments get the same
// verdict, no matter which numbers they have.
func (rs *Ruleset) Uniform(segments uint32) bool { return rs.Program.Uniform(segments) }

// Ruleset returns the ruleset in force. It stays valid when another one is set.
func (r *Relay) Ruleset() *Ruleset { return r.ruleset.Load() }

// SetPolicy sets the policy of the direction. Its phase begins at epoch; seed is the seed
// of this direction. The packet numbers continue; lists of packets count from the next number.
// A packet that another processor or the present batch judges meanwhile may still have the
// policy before, with a number behind that. The kernel leaves everything to the relay until
// OpenKernel is called.
func (r *Relay) SetPolicy(p policy.Policy, epoch policy.Time, seed uint64) {
	r.CloseKernel()
	rs := &Ruleset{Policy: p, Epoch: epoch, JudgeNeighbours: r.judges, late: new(histogram), next: r.next}
	rs.Program = p.CompileAt(policy.Start{Epoch: epoch, Seed: seed, First: r.next.Load()})
	if rs.Program.Remembers() {
		rs.memo = new(policy.Memo)
	}
	r.SetRuleset(rs)
}

// SetRuleset sets a copy of a ruleset that Ruleset has returned. The kernel leaves
// everything to the relay until OpenKernel is called: otherwise one frame could meet the
// new ruleset in the relay, and a later frame the old ruleset in the kernel.
func (r *Relay) SetRuleset(rs *Ruleset) {
	r.CloseKernel()
	r.ruleset.Store(rs)
	r.wake()
}

// JudgeNeighbours sets whether neighbours are judged, by the present ruleset and by later
// ones. The phase of the policy and the packet numbers continue; the counts of verdicts
// restart at 0. The kernel leaves everything to the relay until OpenKernel is called.
func (r *Relay) JudgeNeighbours(on bool) {
	rs := *r.ruleset.Load()
	r.judges, rs.JudgeNeighbours = on, on
	r.SetRuleset(&rs)
}

// Reseed compiles the present policy with another seed. The phase of the policy continues;
// the packet numbers restart at 0. The kernel leaves everything to the relay until
// OpenKernel is called.
func (r *Relay) Reseed(seed uint64) {
	if r.kernel != nil {
		r.next = r.kernel.Numbers()
	} else {
		r.next = new(atomic.Uint64)
	}
	old := r.ruleset.Load()
	r.SetPolicy(old.Policy, old.Epoch, seed)
}

// ShareWith gives the relay the kernel's part of the direction. Call it before Run, and
// Reseed after it: from then on the kernel takes numbers too. Each batch calls drain before
// it writes; nil: there is nothing to wait for.
func (r *Relay) ShareWith(kernel *kern.Direction, drain func()) { r.kernel, r.drain = kernel, drain }

// KeepLabels makes the relay keep the priority and the mark of the frames that it reads.
// Call it before Run.
func (r *Relay) KeepLabels(labels *kern.Labels) { r.labels = labels }

// Kernel returns the kernel's part of the direction; nil without a fast path.
func (r *Relay) Kernel() *kern.Direction { return r.kernel }

// OpenKernel lets the kernel carry out the present ruleset and send relayed frames to the
// link with the index to. The error names a stage that the kernel does not know; then the
// caller must call CloseKernel.
func (r *Relay) OpenKernel(to int) error {
	rs := r.ruleset.Load()
	r.kernel.JudgeNeighbours(rs.JudgeNeighbours)
	return r.kernel.Open(rs.Program, to, rs)
}

// CloseKernel makes the kernel leave everything to the relay until OpenKernel is called.
// Without a fast path it does nothing.
func (r *Relay) CloseKernel() {
	if r.kernel != nil {
		r.kernel.Close()
	}
}

// Yield makes the kernel leave everything to the relay if why says why it must; with "" it
// does nothing. It waits for nothing.
func (r *Relay) Yield(why string) {
	if why != "" {
		r.CloseKernel()
	}
}

// Lead lets the kernel carry the direction to the link with the index to, unless why says
// why the relay must carry everything. It returns the reason; "" if the kernel carries what
// it can. Call it only with a fast path.
func (r *Relay) Lead(why string, to int) string {
	if why == "" {
		if err := r.OpenKernel(to); err != nil {
			why = err.Error()
		}
	}
	r.Yield(why)
	return why
}

// Waiting reports whether frames wait for the relay, as far as the kernel counts them;
// false without a fast path.
func (r *Relay) Waiting() bool { return r.kernel != nil && r.kernel.Waiting() }

// SettleKernel tells the kernel that frames of the fast path which are still missing are
// lost. Call it from time to time, and only with a fast path.
func (r *Relay) SettleKernel() { r.kernel.Settle() }
