// Package relay is one direction of a device in user space: it reads frames from
// one port, gives each packet its number and its verdict, and writes the survivors
// to another port.
//
// One goroutine per direction does all of it; no frame is copied on the way unless it is to
// wait or to be damaged. A frame meets the functions in this order:
//
//	1  Run      reads a batch of frames, borrowed until the next read
//	2  batch    takes one ruleset and one reading of the clock for all of them
//	3  judge    gives each packet of a frame its number and asks the ruleset
//	4  split    makes frames of the survivors, where verdicts differ
//	5  carry    does so where verdicts say more: marks, damages, copies, puts into the line
//	6  flush    writes what is relayed and learns what the kernel refuses
//	7  enter    adds the batch to the counters
//	8  release  passes on what has waited in the line, before anything else is read
//
// Frames that the fast path carries never come here. The relay and the fast path share
// the numbers of the packets, so that both give a packet the same verdict.
//
// The files. Each file calls only files below it:
//
//	direction.go  the state of a direction, as the control socket reports it
//	source.go     the ports that a relay reads, one after the other
//	relay.go      Relay, End, and the loop over reads
//	batch.go      the frames of one read
//	judge.go      numbers and verdicts
//	sample.go     the source of a packet, now and then
//	hold.go       packets that wait: into a line, and out of it
//	waiting.go    which line is next
//	class.go      the packets of one rule
//	classify.go   which rule judges a packet
//	pair.go       both directions: the seed, the policies and the rules
//	edit.go       a change of the rules of a request
//	rules.go      the rules of a direction
//	address.go    the host's address, after the slave was exchanged
//	carry.go      packets that are marked, damaged, copied or made to wait
//	replay.go     packets that have the verdicts of a recording
//	split.go      a super-frame with dropped packets
//	label.go      priority and mark of frames, and when they arrived
//	record.go     the ledger of each packet, while somebody records
//	write.go      frames that the far port refuses, and the reason
//	ruleset.go    the policy in force
//	kernel.go     what the kernel carries, of the direction and of each rule
//	health.go     whether the relay works, or hangs
//	parse.go      a policy text of a request
//	counters.go   counts packets by what happened to them: of all, and of each rule
//	delta.go      the counts of one batch
//	drawn.go      the delays that were drawn, and the rate
//	late.go       how late packets left
package relay

import (
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Options are the parameters of New. Clock and Log must be set.
type Options struct {
	Clock func() policy.Time // CLOCK_MONOTONIC
	Log   *slog.Logger       // gets at most one line a second about bad frames
	Limit time.Duration      // a batch without progress for longer counts as hanging

	JudgeNeighbours bool // the first policy judges ARP and its kin: see Ruleset

	// Memory is where packets wait; nil: there is none, so that a policy that makes packets
	// wait loses them.
	Memory *line.Memory
}

// End is the destination of frames: a port, or the reason why there is none. An End is
// immutable; SetEnd replaces it.
type End struct {
	Port port.Port
	MTU  int    // bytes; 0: the port takes any length
	Why  Reason // the reason that counts for every frame if Port is nil
}

// Relay is one direction. Only one goroutine at a time may call Run, and only one goroutine
// at a time may call the methods that change the ruleset or the kernel's part: SetPolicy,
// SetRuleset, JudgeNeighbours, Reseed, ShareWith, OpenKernel and CloseKernel. All other methods are safe for
// concurrent use.
type Relay struct {
	kernel    *kern.Direction // the kernel's part of the direction; nil without a fast path
	next      *numbers        // of the policy that is set next
	edition   uint64          // of the ruleset that was set last
	opened    uint64          // the edition that OpenKernel has met last
	tally     *tally          // its counters
	judges    bool            // the ruleset that is set next judges neighbours
	ruleset   atomic.Pointer[Ruleset]
	to        atomic.Pointer[End]
	counters  counters
	clock     func() policy.Time
	limit     policy.Time
	log       *slog.Logger
	often     rate.Sometimes             // limits the rate of log lines about frames
	sampling  atomic.Bool                // the source of the next packet is wanted
	source    atomic.Pointer[netip.Addr] // of a packet, until somebody asks
	address   atomic.Pointer[address]    // nil: it never changes
	recording atomic.Pointer[recording]  // nil: nobody records
	series    uint32                     // of the numbers that were made last
	since     atomic.Int64               // when the present batch began; 0: Run waits for a batch
	health    health
	from      atomic.Pointer[port.Port] // what Run reads; nil: it does not run
	ending    atomic.Bool               // Finish was called
	finished  chan struct{}             // closed when what was held then has left
	finish    sync.Once                 // closes finished

	// Only the goroutine in Run uses the fields below.
	drain      func()       // waits until frames that the kernel sent earlier have arrived; nil: no need to wait
	settled    *Ruleset     // the ruleset that the lines follow
	accounted  *Ruleset     // the one that account has told the kernel of
	memory     *line.Memory // of all lines
	own        *class       // the packets that the policy of the direction judges
	classes    []*class     // the packets that each rule judges; nil: none has come yet
	class      *class       // of the present frame
	touched    []*class     // by the present batch
	waiting    waiting      // for something to leave
	held       api.Count    // by all lines
	urgency    port.Urgency
	rs         *Ruleset      // of the present batch
	neighbours uint64        // messages of neighbours that have come while somebody recorded
	tape       *recording    // while the present batch is carried out; nil: nobody records
	now        policy.Time   // of the present batch
	stamper    port.Stamper  // of the port that Run reads; nil: it has none
	stamps     bool          // the kernel notes when frames arrive
	arrivals   []policy.Time // of the frames of the present batch; empty: not known
	arrived    policy.Time   // when the present frame arrived; no earlier one came later
	label      port.Label    // of the present frame
	mtu        uint32        // what the present frame needs
	parts      []leaving     // of a batch of the lines
	pieces     []frame.Frame
	places     []uint64 // of the bits to flip
	scratch    []byte   // copies of frames in this batch
	splitter   frame.Splitter
	verdicts   []policy.Verdict // of the packets of one frame
	first      uint64           // the number of the first packet of that frame
	met        []replay.Packet  // those of that frame that were recorded, if a recording is replayed
	sources    []source         // of the packets of that frame; empty: they have numbers that follow each other
	keep       []bool           // whether the packet of each verdict is relayed
	out        []frame.Frame    // the frames that this batch relays
	outShares  []share          // the share of the counters of each frame in out
	outLabels  []port.Label     // the label of each frame in out
	labels     *kern.Labels     // of the frames that Run reads; nil: they have none
	began      policy.Time      // the last batch
	yielded    policy.Time      // the batch after which other goroutines could last run
}

// New makes a relay. The caller must call SetEnd and SetPolicy before Run.
func New(o Options) *Relay {
	if o.Memory == nil {
		o.Memory = line.NewMemory(0, nil)
	}
	r := &Relay{
		judges: o.JudgeNeighbours, clock: o.Clock, limit: policy.Time(o.Limit), log: o.Log,
		often: rate.Sometimes{Interval: time.Second}, memory: o.Memory, finished: make(chan struct{}), tally: new(tally),
		own: newClass(),
	}
	r.next = r.newNumbers(new(atomic.Uint64))
	return r
}

// End returns the present destination of frames.
func (r *Relay) End() *End { return r.to.Load() }

// SetEnd sets the destination of frames. If the old port is closed while a batch is being
// written, the rest of the batch goes to the new end.
func (r *Relay) SetEnd(e *End) { r.to.Store(e) }

// Run relays from a port until the port is closed or fails, and returns the error of the
// port; os.ErrClosed after Finish. The kernel counts in backlog the frames that wait in the
// port; nil: it does not count them. Run waits for frames, and for room at the far port.
// The next Run passes on the packets that are held when it returns.
func (r *Relay) Run(from port.Port, backlog *kern.Backlog) error {
	r.from.Store(&from)
	r.stamper, _ = from.(port.Stamper)
	defer func() {
		r.from.Store(nil)
		r.stamp(false)
		_ = r.urgency.Set(false, 0)
	}()
	read, owed := 0, true
	for {
		until := r.release()
		if read > 0 || owed || r.accounted != r.settled {
			owed = r.account(backlog, read)
		}
		if r.ending.Load() {
			r.finish.Do(func() { close(r.finished) })
			return os.ErrClosed
		}
		frames, err := from.Read(until)
		if err != nil {
			return err
		}
		if read = len(frames); read > 0 {
			r.batch(frames)
			r.yield()
		}
	}
}

// account tells the kernel how many frames were read since the last call. Those that are held are
// done with, too: by the ruleset that the lines follow, the kernel carries no other packets of
// their rules. It returns true if there is another ruleset, by which it may: then they are not done.
func (r *Relay) account(backlog *kern.Backlog, read int) (owed bool) {
	r.accounted = r.settled
	owed = r.settled != r.ruleset.Load()
	if !owed && r.kernel != nil {
		r.kernel.Settled(r.settled.edition)
	}
	switch {
	case backlog == nil:
		return owed
	case owed:
		backlog.Take(read)
	default:
		backlog.Done(read)
	}
	r.labels.Settle()
	return owed
}

// Finish passes on at once what is held, in order, and ends Run. It waits for that for as long
// as limit at most, and reports whether it has come to an end.
func (r *Relay) Finish(limit time.Duration) bool {
	r.ending.Store(true)
	if r.from.Load() == nil {
		return true
	}
	r.wake()
	select {
	case <-r.finished:
		return true
	case <-time.After(limit):
		return false
	}
}

// wake makes Run look at the ruleset.
func (r *Relay) wake() {
	if from := r.from.Load(); from != nil {
		(*from).Wake()
	}
}
