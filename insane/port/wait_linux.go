package port

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

const (
	// spinMost is the longest time before a deadline that a waiter spins. A timer wakes a
	// thread up to 100 µs late, so a timer alone would make every release late by that.
	spinMost = policy.Time(100 * time.Microsecond)

	// spinShare is the part of its time that a waiter may spin: one spinShare-th.
	spinShare = 4
)

// waiter makes a thread sleep until a descriptor can be read or a deadline comes. The kernel
// gives the timers of poll some slack, and a timerfd none. A waiter is not safe for
// concurrent use.
type waiter struct {
	timer int
	polls [3]unix.PollFd // what can be read, the end, the timer

	spins  bool        // the machine has more than one processor
	credit policy.Time // how long the waiter may spin now, at most spinMost
	earned policy.Time // when credit was last added to
}

// newWaiter makes a waiter for a descriptor.
func newWaiter(d *descriptor) *waiter {
	w := &waiter{timer: d.timer, spins: runtime.NumCPU() > 1}
	for i, fd := range []int{d.fd, d.wake, d.timer} {
		w.polls[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	return w
}

// sleep returns when the descriptor can be read, somebody calls Wake or Close, or at the time
// until; 0: there is no such time. It may also return for no reason. dry: the descriptor
// reports an error that reading it does not show, so that it is looked at after pollRetry.
func (w *waiter) sleep(until policy.Time, dry bool) error {
	for i := range w.polls {
		w.polls[i].Revents = 0
	}
	polls := w.polls[:]
	if dry {
		retry := clock() + policy.Time(pollRetry)
		if until == 0 || until > retry {
			until = retry
		}
		polls = polls[1:]
	}
	if until == 0 {
		polls = polls[:len(polls)-1]
	} else if err := w.arm(until); err != nil {
		return err
	}
	if _, err := unix.Ppoll(polls, nil, nil); err != nil && err != unix.EINTR {
		return os.NewSyscallError("ppoll", err)
	}
	return nil
}

// arm sets the timer.
func (w *waiter) arm(at policy.Time) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(at))}
	return os.NewSyscallError("timerfd_settime", unix.TimerfdSettime(w.timer, unix.TFD_TIMER_ABSTIME, &spec, nil))
}

// rang reports whether Wake or Close ended the last sleep or spin.
func (w *waiter) rang() bool { return w.polls[1].Revents != 0 }

// failed reports whether the descriptor reported an error at the last sleep.
func (w *waiter) failed() bool {
	return w.polls[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0
}

// lead returns how long before the time until the waiter may begin to spin.
func (w *waiter) lead(now, until policy.Time) policy.Time {
	if !w.spins || until <= now {
		return 0
	}
	w.earn(now)
	return min(spinMost, w.credit+(until-now)/spinShare)
}

// spin looks at the clock and at the descriptor, without sleeping, until there is something
// to read or the time has come. The time must be at most lead away.
func (w *waiter) spin(now, until policy.Time) {
	began := now
	for ; now < until; now = clock() {
		if n, err := unix.Poll(w.polls[:2], 0); n > 0 || err != nil && err != unix.EINTR {
			break
		}
	}
	w.earn(now)
	w.credit -= min(w.credit, now-began)
}

// earn adds to the credit what the time since the last call is worth.
func (w *waiter) earn(now policy.Time) {
	if now > w.earned {
		w.credit = min(spinMost, w.credit+(now-w.earned)/spinShare)
		w.earned = now
	}
}

// clock returns CLOCK_MONOTONIC in nanoseconds, which is the clock of timers here. It asks the
// kernel each time: that costs less than the sleep or the poll beside it, and Go's own time
// would be wrong by any interruption while the two are compared.
func clock() policy.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("read CLOCK_MONOTONIC: " + err.Error()) // cannot fail: the clock exists on every Linux
	}
	return policy.Time(ts.Nano())
}
