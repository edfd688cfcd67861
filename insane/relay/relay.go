// Package relay is one direction of a device in user space: it reads frames from
// one port, gives each packet its number and its verdict, and writes the survivors
// to another port.
//
// One goroutine per direction does all of it; no frame is copied on the way. A
// frame meets the functions in this order:
//
//	1  Run     reads a batch of frames, borrowed until the next read
//	2  batch   takes one ruleset and one reading of the clock for all of them
//	3  judge   gives each packet of a frame its number and asks the ruleset
//	4  split   makes frames of the survivors, where verdicts differ
//	5  flush   writes what is relayed and learns what the kernel refuses
//	6  enter   adds the batch to the counters
//
// Frames that the fast path carries never come here. The relay and the fast path share
// the numbers of the packets, so that both give a packet the same verdict.
//
// The files. Each file calls only files below it:
//
//	direction.go  the state of a direction, as the control socket reports it
//	relay.go      Relay, End, and the loop over batches
//	judge.go      numbers and verdicts
//	sample.go     the source of a packet, now and then
//	split.go      a super-frame with dropped packets
//	label.go      priority and mark of frames
//	write.go      frames that the far port refuses, and the reason
//	ruleset.go    the policy in force, in the relay and in the kernel
//	health.go     whether the relay works, or hangs
//	parse.go      a policy text of a request
//	counters.go   counts packets by what happened to them
package relay

import (
	"log/slog"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/policy"
)

// Options are the parameters of New. Clock and Log must be set.
type Options struct {
	Clock func() policy.Time // CLOCK_MONOTONIC
	Log   *slog.Logger       // gets at most one line a second about bad frames
	Limit time.Duration      // a batch without progress for longer counts as hanging

	JudgeNeighbours bool // the first policy judges ARP and its kin: see Ruleset
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
	kernel   *kern.Direction // the kernel's part of the direction; nil without a fast path
	next     *atomic.Uint64  // packet numbers of the ruleset that is set next
	judges   bool            // the ruleset that is set next judges neighbours
	ruleset  atomic.Pointer[Ruleset]
	to       atomic.Pointer[End]
	counters counters
	clock    func() policy.Time
	limit    policy.Time
	log      *slog.Logger
	often    rate.Sometimes             // limits the rate of log lines about frames
	sampling atomic.Bool                // the source of the next packet is wanted
	source   atomic.Pointer[netip.Addr] // of a packet, until somebody asks
	since    atomic.Int64               // when the present batch began; 0: Run waits for a batch
	health   health

	// Only the goroutine in Run uses the fields below.
	drain     func() // waits until frames that the kernel sent earlier have arrived; nil: no need to wait
	delta     delta
	splitter  frame.Splitter
	verdicts  []policy.Verdict // of the packets of one frame
	keep      []bool           // whether the packet of each verdict is relayed
	out       []frame.Frame    // the frames that this batch relays
	outShares []share          // the share of the counters of each frame in out
	outLabels []port.Label     // the label of each frame in out
	labels    *kern.Labels     // of the frames that Run reads; nil: they have none
	began     policy.Time      // the last batch
	yielded   policy.Time      // the batch after which other goroutines could last run
}

// New makes a relay. The caller must call SetEnd and SetPolicy before Run.
func New(o Options) *Relay {
	return &Relay{
		next: new(atomic.Uint64), judges: o.JudgeNeighbours, clock: o.Clock, limit: policy.Time(o.Limit), log: o.Log,
		often: rate.Sometimes{Interval: time.Second},
	}
}

// End returns the present destination of frames.
func (r *Relay) End() *End { return r.to.Load() }

// SetEnd sets the destination of frames. If the old port is closed while a batch is being
// written, the rest of the batch goes to the new end.
func (r *Relay) SetEnd(e *End) { r.to.Store(e) }

// Run relays from a port until the port is closed or fails, and returns the error of the
// port. The kernel counts in backlog the frames that wait in the port; nil: it does not
// count them. Run waits for frames, and for room at the far port.
func (r *Relay) Run(from port.Port, backlog *kern.Backlog) error {
	for {
		frames, err := from.Read(0)
		if err != nil {
			return err
		}
		r.batch(frames)
		if backlog != nil {
			backlog.Done(len(frames))
			r.labels.Settle()
		}
		r.yield()
	}
}

// yieldEvery is how long Run keeps its place in Go's scheduler. After 10 ms the scheduler
// would take it for a goroutine that hangs in a system call, and would look at it every
// 20 µs, which costs more than the relay itself (runtime/proc.go, retake).
const yieldEvery = policy.Time(5 * time.Millisecond)

// yield lets other goroutines run, now and then.
func (r *Relay) yield() {
	if r.began < r.yielded+yieldEvery {
		return
	}
	runtime.Gosched()
	r.yielded = r.began
}

// batch judges all frames of one read, relays the survivors and adds the batch to the
// counters.
func (r *Relay) batch(frames []frame.Frame) {
	rs := r.ruleset.Load()
	now, to := r.clock(), r.to.Load()
	r.began = now
	r.since.Store(int64(now))
	defer r.since.Store(0)
	r.out, r.outShares, r.outLabels = r.out[:0], r.outShares[:0], r.outLabels[:0]
	r.splitter.Reset()
	for _, f := range frames {
		label := r.labelOf(f)
		r.judge(f, rs, now, to)
		for len(r.outLabels) < len(r.out) {
			r.outLabels = append(r.outLabels, label)
		}
	}
	if r.drain != nil {
		r.drain()
	}
	r.flush()
	r.counters.enter(&r.delta, rs)
	r.delta = delta{}
}
