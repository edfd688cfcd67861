package port

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// realTime is the priority of a thread that must wake in time: the lowest that comes before
// all threads that have none.
const realTime = 1

// Urgency lets the thread that runs a goroutine come before all threads without real-time
// priority (SCHED_FIFO). A goroutine that is locked to its thread costs Go's scheduler two
// switches whenever others may run, so the goroutine is not locked, and the priority follows
// it. Only one goroutine may use an Urgency. The zero value is ready to use.
type Urgency struct {
	thread  int             // the thread that has the priority; 0: none
	before  *unix.SchedAttr // how that was scheduled before
	refused bool            // the rights do not allow it
}

// Set gives the present thread the priority, or takes it back. Call it again before each
// wait, since the goroutine may have got another thread. The priority needs CAP_SYS_NICE or
// an RLIMIT_RTPRIO of 1: without them the first call returns an error, and later ones do
// nothing. Threads that the thread starts do not have the priority.
func (u *Urgency) Set(on bool) error {
	if u.refused || !on && u.thread == 0 {
		return nil
	}
	self := 0
	if on {
		if self = unix.Gettid(); self == u.thread {
			return nil
		}
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
	return nil
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
