package relay

import (
	"slices"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/insane/kern"
)

// numbers number the packets of a rule. Only the relay and the kernel take numbers.
type numbers struct {
	at     atomic.Pointer[atomic.Uint64]
	series uint32 // tells these numbers from those of other rules, and from those of another seed
}

// newNumbers makes numbers that count in at.
func (r *Relay) newNumbers(at *atomic.Uint64) *numbers {
	n := &numbers{series: r.nextSeries()}
	n.at.Store(at)
	return n
}

// nextSeries returns another series than the calls before.
func (r *Relay) nextSeries() uint32 {
	r.series++
	return r.series
}

// take takes the numbers of so many packets and returns the first one.
func (n *numbers) take(packets uint64) (first uint64) { return n.at.Load().Add(packets) - packets }

// peek returns the number of the next packet.
func (n *numbers) peek() uint64 { return n.at.Load().Load() }

// move makes the numbers go on in another counter, which the kernel knows. Only the relay may take
// numbers until it returns.
func (n *numbers) move(to *atomic.Uint64) {
	to.Store(n.peek())
	n.at.Store(to)
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
// link with the index to. The error names something that the kernel cannot do; then the
// caller must call CloseKernel.
func (r *Relay) OpenKernel(to int) error {
	rs := r.ruleset.Load()
	if rs.edition != r.opened && r.Held() > 0 {
		r.kernel.Require(rs.edition)
	}
	r.opened = rs.edition
	rules := kern.Rules{Version: rs.version}
	if rules.Version != 0 {
		rules.Index, rules.NameNeighbours = rs.table, rs.neighboursTable != nil
		rules.Left = !r.kernel.Knows(rs.stages) && slices.ContainsFunc(rs.rules, func(rule *Rule) bool { return r.kernel.Knows(rule.stages) })
	}
	r.kernel.JudgeNeighbours(rs.JudgeNeighbours)
	return r.kernel.OpenRules(*rs.Program, to, rs.Rule, rules)
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

// offer lets the kernel carry out the rule of a class, which has a place in the ruleset of the
// present batch, or leaves the rule to the relay for as long as that ruleset is in force. Packets
// that the rule held before have left then: see batch.
func (r *Relay) offer(c *class, place int) {
	version := r.rs.version
	if !r.kernel.Knows(c.rule.stages) || !r.number(c) {
		if r.kernel.Leave(version, place) {
			c.offered = version
		}
		return
	}
	slot, told := r.kernel.Carry(kern.Carried{
		Version: version, Place: place, Program: *c.program, Numbering: c.numbering, Owner: c.rule, Account: r.counters.account(c.rule),
	}, c.slot)
	if c.slot = slot; told {
		c.offered = version
	}
}

// number makes the numbers of a class known to the kernel. It returns false if there is no counter
// left.
func (r *Relay) number(c *class) bool {
	if c.numbering.Next != nil {
		return true
	}
	n, ok := r.kernel.TakeNumbering()
	if !ok {
		return false
	}
	c.numbering = n
	c.rule.next.move(n.Next)
	return true
}

// retire takes from the kernel what it has of a class that is about to follow another rule; nil:
// none.
func (r *Relay) retire(c *class, next *Rule) {
	if r.kernel == nil || c.rule == nil {
		return
	}
	r.kernel.Retire(c.slot)
	c.slot, c.offered = kern.NoSlot, 0
	if next == nil || next.next != c.rule.next {
		r.kernel.RetireNumbering(c.numbering)
		c.numbering = kern.Numbering{}
	}
}
