package relay

import (
	"runtime"
	"time"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

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

// batch judges all frames of one read, relays the survivors that need not wait and adds the
// batch to the counters.
func (r *Relay) batch(frames []frame.Frame) {
	rs := r.ruleset.Load()
	for rs != r.settled {
		r.release() // what a new policy lets go comes before what it judges
		rs = r.ruleset.Load()
	}
	now, to := r.clock(), r.to.Load()
	r.rs, r.now, r.began, r.tape = rs, now, now, r.recording.Load()
	r.since.Store(int64(now))
	defer r.since.Store(0)
	r.clear()
	r.arrivals = r.arrivals[:0]
	if r.stamps && r.stamper != nil {
		r.arrivals = r.stamper.Arrivals()
	}
	for i, f := range frames {
		r.noted(i, f)
		r.judge(f, to)
		for len(r.outLabels) < len(r.out) {
			r.outLabels = append(r.outLabels, r.label)
		}
	}
	r.flush()
	for _, c := range r.touched {
		if c.line != nil {
			r.waiting.schedule(c)
		}
	}
	r.enter(now)
}

// clear begins a batch.
func (r *Relay) clear() {
	r.out, r.outShares, r.outLabels = r.out[:0], r.outShares[:0], r.outLabels[:0]
	r.splitter.Reset()
	if cap(r.scratch) > keepScratch {
		r.scratch = nil
	}
	r.scratch = r.scratch[:0]
}

// keepScratch is how many bytes of scratch memory clear keeps.
const keepScratch = 1 << 20
