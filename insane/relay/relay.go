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
// What the fast path carries never comes here. The relay and the fast path share
// the numbers of the packets, so that both give a packet the same verdict.
//
// The files, each of which calls those below it:
//
//	direction.go  what the control socket says of a direction
//	relay.go      the batch: from one port to another
//	judge.go      numbers and verdicts
//	split.go      a super-frame of which some packets are dropped
//	write.go      what the far port refuses, and why
//	ruleset.go    the policy in force, in the relay and in the kernel
//	counters.go   what became of the packets, by reason
package relay

import (
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Options are what a relay needs. Clock and Log must be set.
type Options struct {
	Clock func() policy.Time // CLOCK_MONOTONIC
	Log   *slog.Logger       // gets at most one line a second about bad frames
	Limit time.Duration      // a batch that takes longer counts as hanging
}

// End is where frames go: a port, or the reason why there is none.
type End struct {
	Port port.Port
	MTU  int    // bytes; 0: the port takes any length
	Why  Reason // counts for every frame if Port is nil
}

// Relay is one direction. Run has one caller. The methods that change the ruleset
// or the kernel's part are to be called by one goroutine at a time; all others are
// safe for concurrent use.
type Relay struct {
	kernel   *kern.Direction // the kernel's part of the direction; nil: it has none
	next     *atomic.Uint64  // of the ruleset that is set next
	ruleset  atomic.Pointer[Ruleset]
	to       atomic.Pointer[End]
	counters counters
	clock    func() policy.Time
	limit    policy.Time
	log      *slog.Logger
	often    rate.Sometimes // limits the log lines about frames
	since    atomic.Int64   // when the present batch began; 0: Run waits for one

	// The rest belongs to the goroutine in Run.
	drain    func() // waits for what the kernel has sent on before; nil: there is nothing to wait for
	delta    delta
	splitter frame.Splitter
	verdicts []policy.Verdict // of one frame's packets
	keep     []bool           // which of them are relayed
	out      []frame.Frame    // what this batch relays
	outCount []api.Count      // what is in each of out
}

// New makes a relay. SetEnd and SetPolicy come before Run.
func New(o Options) *Relay {
	return &Relay{
		next: new(atomic.Uint64), clock: o.Clock, limit: policy.Time(o.Limit), log: o.Log,
		often: rate.Sometimes{Interval: time.Second},
	}
}

// End is where frames go at present.
func (r *Relay) End() *End { return r.to.Load() }

// SetEnd says where frames go from now on. A batch that is being written goes on
// to the new end if the old one is closed.
func (r *Relay) SetEnd(e *End) { r.to.Store(e) }

// Run relays from a port until the port is closed or fails, and returns the error
// of the port. In backlog the kernel counts the frames that it leaves in the port;
// nil: it does not count them.
func (r *Relay) Run(from port.Port, backlog *kern.Backlog) error {
	for {
		frames, err := from.Read()
		if err != nil {
			return err
		}
		r.batch(frames)
		if backlog != nil {
			backlog.Done(len(frames))
		}
	}
}

// Works reports whether the relay gets on with what it is given: no batch takes
// longer than the limit.
func (r *Relay) Works(now policy.Time) bool {
	since := policy.Time(r.since.Load())
	return since == 0 || now < since+r.limit
}

// Idle reports whether Run waits for frames.
func (r *Relay) Idle() bool { return r.since.Load() == 0 }

// batch relays frames under one ruleset, at one time. The counters are entered when
// all of them are written: a reader may see a batch as a whole or not at all.
func (r *Relay) batch(frames []frame.Frame) {
	rs := r.ruleset.Load()
	now, to := r.clock(), r.to.Load()
	r.since.Store(int64(now))
	defer r.since.Store(0)
	r.out, r.outCount = r.out[:0], r.outCount[:0]
	r.splitter.Reset()
	for _, f := range frames {
		r.judge(f, rs, now, to)
	}
	if r.drain != nil {
		r.drain()
	}
	r.flush()
	r.counters.enter(&r.delta, rs)
	r.delta = delta{}
}
