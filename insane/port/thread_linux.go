package port

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// realTime is the priority of a thread that must wake in time: the lowest that comes before
// all threads that have none.
const realTime = 1

// Urgency lets the thread that runs a goroutine come before all threads without real-time
// priority (SCHED_FIFO). A goroutine that is locked to its thread costs Go's scheduler two
// switches whenever others may run, so the goroutine is not locked, and the priority follows
// it. Only one goroutine may use an Urgency. The zero value is ready to use.
//
// A thread that takes its processor nearly all the time would keep the others from it, until the
// kernel stops it for 50 ms of a second (sched(7), sched_rt_runtime_us). So such a thread goes
// without the priority for a short time, again and again: see turns.
type Urgency struct {
	thread  int             // the thread that has the priority; 0: none
	before  *unix.SchedAttr // how that was scheduled before
	refused bool            // the rights do not allow it
	counted int             // the thread whose processor time turns has; 0: none
	turns   turns
}

// Set gives the present thread the priority, or takes it back. now is the time, or one that is
// not long past. Call it again before each wait, since the goroutine may have got another
// thread. The priority needs CAP_SYS_NICE or an RLIMIT_RTPRIO of 1: without them the first call
// returns an error, and later ones do nothing. Threads that the thread starts do not have the
// priority.
func (u *Urgency) Set(on bool, now policy.Time) error {
	if u.refused || !on && u.thread == 0 {
		return nil
	}
	self := 0
	if on {
		self = unix.Gettid()
		u.count(self)
		on = u.turns.urgent(now, func() policy.Time { return processorTime(self) })
	}
	if on && self == u.thread {
		return nil
	}
	if u.thread != 0 {
		_ = unix.SchedSetAttr(u.thread, u.before, 0) // the thread may have ended
		u.thread = 0
	}
	if !on {
		return nil
	}
	if err := u.give(self); err != nil {
		u.refused = true
		return fmt.Errorf("set real-time priority: %w", err)
	}
	u.thread = self
	u.turns.begin(now, processorTime(self))
	return nil
}

// count has turns look at the processor time of a thread from now on. What the thread before has
// taken since the last look counts, unless that has ended.
func (u *Urgency) count(thread int) {
	if thread == u.counted {
		return
	}
	if used := processorTime(u.counted); used > u.turns.used {
		u.turns.credit -= min(u.turns.credit, used-u.turns.used)
	}
	u.turns.used = processorTime(thread)
	u.counted = thread
}

// give gives the priority to a thread.
func (u *Urgency) give(thread int) error {
	before, err := unix.SchedGetAttr(thread, 0)
	if err != nil {
		return err
	}
	before.Flags |= unix.SCHED_FLAG_RESET_ON_FORK // without rights nobody can take that back
	u.before = before
	return unix.SchedSetAttr(thread, &unix.SchedAttr{
		Size:   uint32(unsafe.Sizeof(unix.SchedAttr{})),
		Policy: unix.SCHED_FIFO, Priority: realTime, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}, 0)
}

const (
	// mostPercent is the share of the time that a thread may run with the priority, and burst how
	// much more than that at once. Together they stay below the 95 % of each second that the kernel
	// allows. A thread that has used it up goes without the priority for restSpan.
	mostPercent = 93
	burst       = policy.Time(15 * time.Millisecond)
	restSpan    = policy.Time(time.Millisecond)

	lookEvery = policy.Time(2 * time.Millisecond) // at the processor time
)

// turns divides the time of a thread into spans with the priority and, if it is busy all the time,
// short ones without. The zero value is that of a thread that has rested for long.
type turns struct {
	looked policy.Time // when used was read
	used   policy.Time // processor time of the thread
	credit policy.Time // what it may run with the priority, beside its share of what comes
	rests  policy.Time // the thread goes without the priority until then
}

// begin begins a span with the priority.
func (u *turns) begin(now, used policy.Time) {
	u.earn(now)
	u.looked, u.used = now, used
}

// earn adds what the time since the last look is worth.
func (u *turns) earn(now policy.Time) {
	u.credit = min(burst, u.credit+min(now-u.looked, policy.Time(time.Second))*mostPercent/100)
}

// urgent reports whether a thread that asks for the priority may have it now. used returns the
// processor time that the thread has taken.
func (u *turns) urgent(now policy.Time, used func() policy.Time) bool {
	switch {
	case now < u.rests:
		return false
	case u.rests != 0 || u.looked == 0:
		u.rests = 0
		u.begin(now, used())
		return true
	case now < u.looked+lookEvery:
		return true
	}
	before := u.used
	u.earn(now)
	u.looked, u.used = now, used()
	if taken := u.used - before; u.used > before && taken > u.credit {
		u.credit, u.rests = 0, now+restSpan
		return false
	} else if u.used > before {
		u.credit -= taken
	}
	return true
}

// processorTime returns how long a thread of this process has run; 0 if there is none of that ID.
func processorTime(thread int) policy.Time {
	const ofThread, scheduled = 4, 2 // CPUCLOCK_PERTHREAD_MASK and CPUCLOCK_SCHED (clock_getres(2))
	var ts unix.Timespec
	if thread == 0 || unix.ClockGettime(int32(^thread<<3|ofThread|scheduled), &ts) != nil {
		return 0
	}
	return policy.Time(ts.Nano())
}
