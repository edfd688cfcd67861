package host

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// Now returns CLOCK_MONOTONIC in nanoseconds, the clock that bpf_ktime_get_ns reads. It
// may be called from any goroutine and never goes back.
//
// Go's own monotonic time is the same clock and cheaper to read, but Go hides the value
// and tells differences only. So the value is read at the start.
func Now() policy.Time { return clockBase + policy.Time(time.Since(clockStart)) }

// clockBase is the value of the clock at clockStart.
var clockBase, clockStart = startClock()

// startClock reads both clocks. The process may be interrupted between the two readings, and
// would be wrong by that time until its end; so of several attempts the shortest counts.
func startClock() (base policy.Time, start time.Time) {
	shortest := time.Duration(math.MaxInt64)
	for range 10 {
		before, value, after := time.Now(), readClock(), time.Now()
		if took := after.Sub(before); took < shortest {
			base, start, shortest = value, after, took
		}
	}
	return base, start
}

func readClock() policy.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("read CLOCK_MONOTONIC: " + err.Error()) // cannot fail: the clock exists on every Linux
	}
	return policy.Time(ts.Nano())
}
