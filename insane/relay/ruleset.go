package relay

import (
	"sync/atomic"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/policy"
)

// Ruleset is what one direction carries out. It is immutable and swapped as a
// whole: a batch is judged by one ruleset from its first packet to its last.
type Ruleset struct {
	Policy  policy.Policy
	Epoch   policy.Time    // when the phase of the policy began, on CLOCK_MONOTONIC
	Program policy.Program // of Policy

	// next is the number of the next packet. Rulesets that share it go on with
	// each other's numbers. With a fast path, the kernel takes numbers as well.
	next *atomic.Uint64
}

// Uniform reports whether a frame of so many segments can get one verdict as a
// whole, whatever its numbers are.
func (rs *Ruleset) Uniform(segments uint32) bool { return rs.Program.Whole(segments) }

// Ruleset is the one in force. It stays valid when another one is set.
func (r *Relay) Ruleset() *Ruleset { return r.ruleset.Load() }

// SetPolicy makes the direction carry out a policy whose phase begins at epoch,
// with a seed of the direction's own. The numbers of the packets go on.
func (r *Relay) SetPolicy(p policy.Policy, epoch policy.Time, seed uint64) {
	r.SetRuleset(&Ruleset{Policy: p, Epoch: epoch, Program: p.Compile(epoch, seed), next: r.next})
}

// SetRuleset makes the direction carry out a copy of one that Ruleset has returned.
// The kernel leaves everything to the relay until OpenKernel is called, so that no
// frame meets the new ruleset in the relay and a later one the old ruleset in the
// kernel.
func (r *Relay) SetRuleset(rs *Ruleset) {
	r.CloseKernel()
	r.ruleset.Store(rs)
}

// Reseed compiles the present policy anew with another seed. The phase of the
// policy goes on; the numbers of the packets begin at 0 again.
func (r *Relay) Reseed(seed uint64) {
	if r.kernel != nil {
		r.next = r.kernel.Numbers()
	} else {
		r.next = new(atomic.Uint64)
	}
	old := r.ruleset.Load()
	r.SetPolicy(old.Policy, old.Epoch, seed)
}

// ShareWith gives the relay the kernel's part of the direction. It comes before
// Run, and Reseed comes after it: from then on the kernel takes numbers as well.
// Each batch calls drain before it writes; nil: there is nothing to wait for.
func (r *Relay) ShareWith(kernel *kern.Direction, drain func()) { r.kernel, r.drain = kernel, drain }

// Kernel is the kernel's part of the direction; nil if it has none.
func (r *Relay) Kernel() *kern.Direction { return r.kernel }

// OpenKernel lets the kernel carry out the present ruleset and send what it relays
// to the link of an index. On an error, which names a stage that the kernel does
// not know, the caller closes the kernel's part.
func (r *Relay) OpenKernel(to int) error {
	rs := r.ruleset.Load()
	return r.kernel.Open(rs.Program, to, rs)
}

// CloseKernel leaves everything to the relay until OpenKernel is called. Without a
// kernel's part it does nothing.
func (r *Relay) CloseKernel() {
	if r.kernel != nil {
		r.kernel.Close()
	}
}

// Waiting reports whether frames are on their way through the relay, as far as the
// kernel counts them.
func (r *Relay) Waiting() bool { return r.kernel != nil && r.kernel.Waiting() }

// SettleKernel says to the kernel that frames of the fast path which are still
// missing got lost. It is to be called now and then.
func (r *Relay) SettleKernel() { r.kernel.Settle() }
