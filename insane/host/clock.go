package host

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// Now is CLOCK_MONOTONIC in nanoseconds, what bpf_ktime_get_ns reads. Go's own
// monotonic reading is the same clock, cheaper to read and hidden behind an
// unknown start, so the start is learned once.
func Now() policy.Time { return clockBase + policy.Time(time.Since(clockStart)) }

var clockBase, clockStart = func() (policy.Time, time.Time) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("read CLOCK_MONOTONIC: " + err.Error()) // cannot fail: the clock exists on every Linux
	}
	return policy.Time(ts.Nano()), time.Now()
}()
