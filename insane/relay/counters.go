package relay

import (
	"sync"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Reason says why a packet was dropped. The values index api.DropReasons.
type Reason int

// The reasons, in the order in which they are shown.
const (
	DropPolicy     Reason = iota // the policy dropped the packet
	DropNoSlave                  // the device has no slave
	DropSlaveGone                // the slave was deleted
	DropSlaveDown                // the slave has no carrier
	DropSlaveBusy                // the queue of the slave is full
	DropTooBig                   // a packet exceeds the MTU of the far side
	DropMalformed                // a frame makes no sense
	DropUnreadable               // nobody can take the packets of a super-frame apart
	DropError                    // the kernel refused the frame for another reason
	reasons                      // number of reasons
)

// reasonNames are the names of the reasons in the protocol of the control socket.
var reasonNames = api.DropReasons()

// String returns the name of the reason in the protocol of the control socket.
func (r Reason) String() string { return reasonNames[r] }

// tally is the counters of one rule. The mutex of counters guards it.
type tally struct {
	total *delta    // since the rule came; nil: no packet has come yet
	held  api.Count // of its packets
	rule  *Rule     // whose verdicts and effects the last ones are
	did   api.Did   // of rule; without Delay and Rate

	kernel *kern.Account // what the kernel has counted; nil: it has not met the rule
}

// enter adds what a batch has done to the packets of a rule. With a new policy the counters
// of verdicts and of effects restart at 0, because a user reads them beside the present one.
func (t *tally) enter(rule *Rule, d *delta, held api.Count) {
	if t.total == nil {
		t.total = new(delta)
	}
	if t.rule != rule {
		t.rule, t.did = rule, api.Did{}
		t.total.verdicts, t.total.drawn = api.Verdicts{}, drawn{}
	}
	t.held = held
	t.total.add(d)
	t.did.Copied += d.copied.Packets
	t.did.Damaged += d.damaged.Packets
	t.did.Reordered += d.reordered.Packets
}

// counters are the counters of one direction. A whole batch is added at once, so every
// reader sees counters that balance: offered + copied = relayed + held + Σ dropped. All
// methods are safe for concurrent use.
type counters struct {
	mu    sync.Mutex
	total delta
	held  api.Count
	speed speedometer
}

// batch is the events between two times of the clock.
type batch struct {
	classes []*class    // whose packets they are about
	held    api.Count   // what is held behind it
	end     policy.Time // of the batch
}

// enter adds a batch.
func (b *counters) enter(p batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = p.held
	relayed := uint64(0)
	for _, c := range p.classes {
		relayed += c.delta.relayed.Bytes
		b.total.add(&c.delta)
		c.rule.tally.enter(c.rule, &c.delta, c.held)
	}
	b.speed.add(p.end, relayed)
}

// enterLost adds frames that the kernel dropped before they reached the relay, for a known
// reason. It counts frames only, since their bytes are not known.
func (b *counters) enterLost(frames uint64, why Reason) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total.offered.Packets += frames
	b.total.dropped[why].Packets += frames
}

// stats reads the counters. It leaves Overruns at 0; the caller sets them.
func (b *counters) stats() api.Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total.stats(b.held)
}

// account returns the account of a rule in the kernel, which it makes if there is none.
func (b *counters) account(r *Rule) *kern.Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.tally.kernel == nil {
		r.tally.kernel = new(kern.Account)
	}
	return r.tally.kernel
}

// hasAccount returns the account of a rule in the kernel; nil: there is none.
func (b *counters) hasAccount(r *Rule) *kern.Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	return r.tally.kernel
}

// statsOf reads the counters of a rule.
func (b *counters) statsOf(r *Rule) api.Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.tally.total == nil {
		return new(delta).stats(api.Count{})
	}
	return r.tally.total.stats(r.tally.held)
}

// stats returns the sums in the form of the control socket. held is what waits.
func (p *delta) stats(held api.Count) api.Stats {
	s := api.Stats{
		Offered:   p.offered,
		Relayed:   p.relayed,
		Neighbour: p.neighbour,
		Held:      held,
		Copied:    p.copied,
		Damaged:   p.damaged,
		Reordered: p.reordered,
		Marked:    make(map[string]api.Count),
		NoMemory:  p.overruns,
		Dropped:   make(map[string]api.Count, reasons),
		Stages:    make(map[string]api.Count),
	}
	for _, stage := range policy.Forms()[1:] { // without pass
		s.Stages[stage.Name] = p.stages[stage.Number]
		if c := p.marked[stage.Number]; c != (api.Count{}) {
			s.Marked[stage.Name] = c
		}
	}
	for why, c := range p.dropped {
		s.Dropped[Reason(why).String()] = c
	}
	return s
}

// passed returns numbers of packets: offered, relayed, and messages of neighbours.
func (b *counters) passed() (offered, relayed, neighbour uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total.offered.Packets, b.total.relayed.Packets, b.total.neighbour.Packets
}

// holds returns how many packets wait.
func (b *counters) holds() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held.Packets
}

// done returns what a rule has done so far; zeros if no batch has met it yet. now is the
// present time.
func (b *counters) done(r *Rule, now policy.Time) (v api.Verdicts, did api.Did) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := r.tally; t.rule == r {
		v, did = t.total.verdicts, t.did
		did.Delay = t.total.drawn.read()
	}
	did.Rate = b.speed.read(now)
	return v, did
}
