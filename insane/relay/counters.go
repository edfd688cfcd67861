package relay

import (
	"sync"

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

// share is the part of the counters that one frame adds. spared: it is a message of neighbours, which
// has no verdict and is not counted as offered.
type share struct {
	api.Count
	spared bool
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

// counters are the counters of one direction. A whole batch is added at once, so every
// reader sees counters that balance: offered + copied = relayed + held + Σ dropped. All
// methods are safe for concurrent use.
type counters struct {
	mu      sync.Mutex
	total   delta
	held    api.Count
	speed   speedometer
	did     api.Did  // of ruleset; without Delay and Rate
	ruleset *Ruleset // the ruleset whose verdicts and delays are in total
}

// batch is the events between two times of the clock.
type batch struct {
	*delta
	ruleset *Ruleset    // which judged it
	held    api.Count   // what is held behind it
	end     policy.Time // of the batch
}

// enter adds a batch. With a new ruleset the counters of verdicts and of delays restart at 0,
// because a user reads them beside the present policy.
func (b *counters) enter(p batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ruleset != p.ruleset {
		b.ruleset = p.ruleset
		b.total.verdicts, b.total.drawn, b.did = api.Verdicts{}, drawn{}, api.Did{}
	}
	b.held = p.held
	b.speed.add(p.end, p.relayed.Bytes)
	b.addEffects(p.delta)
	add(&b.total.offered, p.offered)
	add(&b.total.relayed, p.relayed)
	add(&b.total.neighbour, p.neighbour)
	for why := range p.dropped {
		add(&b.total.dropped[why], p.dropped[why])
	}
	for stage := range p.stages {
		add(&b.total.stages[stage], p.stages[stage])
	}
	b.total.verdicts.Relay += p.verdicts.Relay
	b.total.verdicts.Drop += p.verdicts.Drop
}

// addEffects adds what has become of packets that are not lost. The caller holds b.mu.
func (b *counters) addEffects(p *delta) {
	add(&b.total.copied, p.copied)
	add(&b.total.damaged, p.damaged)
	add(&b.total.reordered, p.reordered)
	for stage := range p.marked {
		add(&b.total.marked[stage], p.marked[stage])
	}
	b.did.Copied += p.copied.Packets
	b.did.Damaged += p.damaged.Packets
	b.did.Reordered += p.reordered.Packets
	b.total.overruns += p.overruns
	b.total.drawn.add(p.drawn)
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
	s := api.Stats{
		Offered:   b.total.offered,
		Relayed:   b.total.relayed,
		Neighbour: b.total.neighbour,
		Held:      b.held,
		Copied:    b.total.copied,
		Damaged:   b.total.damaged,
		Reordered: b.total.reordered,
		Marked:    make(map[string]api.Count),
		NoMemory:  b.total.overruns,
		Dropped:   make(map[string]api.Count, reasons),
		Stages:    make(map[string]api.Count),
	}
	for _, stage := range policy.Forms()[1:] { // without pass
		s.Stages[stage.Name] = b.total.stages[stage.Number]
		if c := b.total.marked[stage.Number]; c != (api.Count{}) {
			s.Marked[stage.Name] = c
		}
	}
	for why, c := range b.total.dropped {
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

// done returns what a ruleset has done so far; zeros if no batch has met it yet. now is the
// present time.
func (b *counters) done(r *Ruleset, now policy.Time) (v api.Verdicts, did api.Did) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ruleset == r {
		v, did = b.total.verdicts, b.did
		did.Delay = b.total.drawn.read()
	}
	did.Rate = b.speed.read(now)
	return v, did
}
