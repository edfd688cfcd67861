package insane

// The way of a packet, in the order in which it meets the functions below. One
// goroutine per direction does all of it; no frame is copied on the way.
//
//	1  run     reads a batch of frames, borrowed until the next read
//	2  batch   takes one rule and one reading of the clock for all of them
//	3  judge   gives each packet of a frame its number and asks the rule
//	4  split   makes frames of the survivors, where verdicts differ
//	5  flush   writes what is relayed and learns what the kernel refuses
//	6  enter   adds the batch to the counters
//
// What the fast path carries never comes here.

import (
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// rule is what one direction carries out: immutable, swapped as a whole.
type rule struct {
	policy  policy.Policy
	epoch   policy.Time
	program policy.Program

	// next is the number of the next packet. Rules that share it go on with each
	// other's numbers. With a fast path, the kernel takes numbers as well.
	next *atomic.Uint64
}

// end is where frames go: a port, or the reason why there is none.
type end struct {
	port port.Port
	mtu  int    // bytes; 0: whatever the port takes
	why  reason // if port is nil
}

// relay is one direction.
type relay struct {
	lane     *kern.Direction // the kernel's part of the direction; nil: it has none
	next     *atomic.Uint64  // of the rule that is set next; Device.mu guards it
	rule     atomic.Pointer[rule]
	to       atomic.Pointer[end]
	counters counters
	clock    func() policy.Time
	log      *slog.Logger
	often    rate.Sometimes // for trouble with frames
	since    atomic.Int64   // when the present batch began; 0: waiting for one

	// The rest belongs to the goroutine in run.
	land     func() // waits for what the kernel has sent on before; nil: nothing to wait for
	delta    delta
	splitter frame.Splitter
	verdicts []policy.Verdict // of one frame's packets
	keep     []bool           // which of them are relayed
	out      []frame.Frame    // what this batch relays
	outCount []api.Count      // what is in each of out
}

func newRelay(clock func() policy.Time, log *slog.Logger) *relay {
	return &relay{next: new(atomic.Uint64), clock: clock, log: log, often: rate.Sometimes{Interval: time.Second}}
}

// run relays from a port until it is closed or fails. berth is where the kernel
// counts what it leaves in the port, if it does.
func (r *relay) run(from port.Port, berth *kern.Backlog) error {
	for {
		frames, err := from.Read()
		if err != nil {
			return err
		}
		r.batch(frames)
		if berth != nil {
			berth.Done(len(frames))
		}
	}
}

// stuck is how long a batch may take before the relay counts as hanging.
const stuck = policy.Time(leaseSpan)

// works reports whether the relay gets on with what it is given.
func (r *relay) works(now policy.Time) bool {
	since := policy.Time(r.since.Load())
	return since == 0 || now < since+stuck
}

func (r *relay) batch(frames []frame.Frame) {
	ru := r.rule.Load()
	now, to := r.clock(), r.to.Load()
	r.since.Store(int64(now))
	defer r.since.Store(0)
	r.out, r.outCount = r.out[:0], r.outCount[:0]
	r.splitter.Reset()
	for _, f := range frames {
		r.judge(f, ru, now, to)
	}
	if r.land != nil {
		r.land()
	}
	r.flush()
	r.counters.enter(&r.delta, ru)
	r.delta = delta{}
}

// judge decides one frame. Every packet offered takes a number, whatever
// becomes of it, so that its verdict depends on nothing but what came before.
func (r *relay) judge(f frame.Frame, ru *rule, now policy.Time, to *end) {
	layout, err := frame.Inspect(f)
	if err != nil {
		c := api.Count{Packets: 1, Bytes: uint64(max(0, len(f)-frame.HeaderLen))}
		ru.next.Add(1)
		add(&r.delta.offered, c)
		r.delta.drop(dropMalformed, c)
		r.trouble("drop malformed frame", err)
		return
	}
	n := layout.Packets()
	all := api.Count{Packets: uint64(n), Bytes: layout.Bytes(0, n)}
	number := ru.next.Add(uint64(n)) - uint64(n)
	add(&r.delta.offered, all)
	switch {
	case to.port == nil:
		r.delta.drop(to.why, all)
	case to.mtu > 0 && layout.MTU() > to.mtu:
		r.delta.drop(dropTooBig, all)
	case ru.program.Whole(uint32(n)):
		if v := r.decide(ru, now, number, uint64(n)); v.Drops() {
			r.delta.dropBy(v, all)
			return
		}
		r.pass(f, all)
	default:
		r.split(f, layout, ru, now, number)
	}
}

// decide asks for one verdict and counts it for n packets.
func (r *relay) decide(ru *rule, now policy.Time, number, n uint64) policy.Verdict {
	v := ru.program.Decide(now, number)
	if v.Drops() {
		r.delta.verdicts.Drop += n
	} else {
		r.delta.verdicts.Relay += n
	}
	return v
}

func (r *relay) pass(f frame.Frame, c api.Count) {
	r.out = append(r.out, f)
	r.outCount = append(r.outCount, c)
}

// split asks for the verdict of each packet of a super-frame and relays the
// runs of survivors as smaller ones.
func (r *relay) split(f frame.Frame, layout frame.Layout, ru *rule, now policy.Time, number uint64) {
	n := layout.Packets()
	r.verdicts, r.keep = r.verdicts[:0], r.keep[:0]
	for i := range n {
		v := r.decide(ru, now, number+uint64(i), 1)
		r.verdicts, r.keep = append(r.verdicts, v), append(r.keep, !v.Drops())
	}
	r.out = r.splitter.Split(f, layout, r.keep, r.out)
	for from := 0; from < n; {
		to := from + 1
		for to < n && r.verdicts[to] == r.verdicts[from] {
			to++
		}
		c := api.Count{Packets: uint64(to - from), Bytes: layout.Bytes(from, to)}
		if r.keep[from] {
			r.outCount = append(r.outCount, c) // beside the frame that Split made of this run
		} else {
			r.delta.dropBy(r.verdicts[from], c)
		}
		from = to
	}
}

// flush writes the batch. If the far end is exchanged meanwhile, what is left
// goes to the new one: a change loses nothing.
func (r *relay) flush() {
	out, count := r.out, r.outCount
	for len(out) > 0 {
		to := r.to.Load()
		if to.port == nil {
			r.refuse(to.why, count)
			return
		}
		n, err := to.port.Write(out)
		for _, c := range count[:n] {
			add(&r.delta.relayed, c)
		}
		out, count = out[n:], count[n:]
		switch {
		case err == nil || len(out) == 0:
		case !errors.Is(err, os.ErrClosed):
			r.refuse(r.reasonOf(err), count[:1])
			out, count = out[1:], count[1:]
		case r.to.Load() == to: // closed for good
			r.refuse(dropSlaveGone, count)
			return
		}
	}
}

func (r *relay) refuse(why reason, count []api.Count) {
	for _, c := range count {
		r.delta.drop(why, c)
	}
}

// reasonOf says what the refusal of a frame counts as.
func (r *relay) reasonOf(err error) reason {
	switch {
	case errors.Is(err, port.ErrBusy):
		return dropSlaveBusy
	case errors.Is(err, port.ErrDown):
		return dropSlaveDown
	case errors.Is(err, port.ErrGone):
		return dropSlaveGone
	case errors.Is(err, port.ErrTooBig):
		return dropTooBig
	case errors.Is(err, port.ErrInvalid):
		r.trouble("drop frame that the kernel refuses", err)
		return dropMalformed
	default:
		r.trouble("drop frame that the kernel refuses", err)
		return dropError
	}
}

// trouble logs what befell a frame, at most once a second: the counters tell
// how often.
func (r *relay) trouble(what string, err error) {
	r.often.Do(func() { r.log.Warn(what, "err", err) })
}
