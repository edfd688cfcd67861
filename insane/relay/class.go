package relay

import (
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// class is the part of Run's state that belongs to the packets of one rule: where they wait,
// and what has happened to them in the present batch.
type class struct {
	rule    *Rule           // in force; of a rule that is deleted the last one
	program *policy.Program // of rule
	memo    *policy.Memo    // of program; nil if that has no use for one
	line    *line.Line      // nil: no packet has waited yet
	holds   bool            // the packets of the present batch go through the line
	delta   delta           // of the present batch
	touched bool            // by the present batch: it is in Relay.touched
	held    api.Count       // in the line, as the counters know it
	at      policy.Time     // a time before which nothing leaves the line
	place   int             // in Relay.waiting; absent: the line has nothing to do

	// The kernel's part of the rule.
	offered   uint64         // the version of the rules for which the kernel was told of this one
	slot      int            // kern.NoSlot: none
	numbering kern.Numbering // zero: the kernel does not know the numbers
}

// newClass makes a class that follows no rule yet.
func newClass() *class { return &class{place: absent, slot: kern.NoSlot} }

// compiled gives the class another program.
func (c *class) compiled(program *policy.Program) {
	c.program, c.memo = program, nil
	if program.Remembers() {
		c.memo = new(policy.Memo)
	}
}

// touch notes that the present batch changes a class.
func (r *Relay) touch(c *class) *class {
	if !c.touched {
		c.touched = true
		r.touched = append(r.touched, c)
	}
	return c
}

// enter adds a batch that ended at a time to the counters.
func (r *Relay) enter(end policy.Time) {
	for _, c := range r.touched {
		if c.line != nil {
			packets, bytes := c.line.Held()
			r.held.Packets += packets - c.held.Packets
			r.held.Bytes += bytes - c.held.Bytes
			c.held = api.Count{Packets: packets, Bytes: bytes}
		}
	}
	r.counters.enter(batch{classes: r.touched, held: r.held, end: end})
	for _, c := range r.touched {
		c.delta, c.touched = delta{}, false
	}
	r.touched = r.touched[:0]
}
