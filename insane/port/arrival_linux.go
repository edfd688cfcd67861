package port

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// arrivals are the times at which the frames of one Read arrived. The kernel tells them on
// CLOCK_REALTIME, the only clock of SO_TIMESTAMPNS (net/core/dev.c, net_timestamp_check). The
// distance of the two clocks changes only when somebody sets the time: both follow the same
// corrections of their speed (kernel/time/timekeeping.c). So each look at the clocks narrows
// down the same distance, and one that contradicts the earlier ones says that the time was set.
type arrivals struct {
	stamps []unix.Timespec // of each frame; zero: the kernel has noted none
	times  []policy.Time   // what monotonic has made of them

	// CLOCK_REALTIME is ahead of CLOCK_MONOTONIC by least or more, and by most or less, in
	// nanoseconds.
	least, most int64
}

// reset forgets all times.
func (a *arrivals) reset() { a.stamps = a.stamps[:0] }

// add notes the time of the next frame.
func (a *arrivals) add(stamp unix.Timespec) { a.stamps = append(a.stamps, stamp) }

// monotonic returns the times on CLOCK_MONOTONIC; they are not too early. If somebody has set
// the time since the last call, the frames may have come before that or after it, and no time
// is known.
func (a *arrivals) monotonic() []policy.Time {
	a.times = a.times[:0]
	if len(a.stamps) == 0 {
		return a.times
	}
	known := a.compare()
	for _, s := range a.stamps {
		at := policy.Time(0)
		if known && (s.Sec != 0 || s.Nsec != 0) {
			at = policy.Time(max(0, s.Nano()-a.least))
		}
		a.times = append(a.times, at)
	}
	return a.times
}

// compare looks at both clocks. It reports whether what it sees agrees with what it saw before.
func (a *arrivals) compare() bool {
	before := clock()
	var real unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &real); err != nil {
		return false // cannot be: the clock exists on every Linux
	}
	after := clock()
	return a.narrow(real.Nano()-int64(after), real.Nano()-int64(before))
}

// narrow takes new bounds of the distance. It reports whether they agree with the old ones.
func (a *arrivals) narrow(least, most int64) bool {
	if least > a.most || most < a.least {
		a.least, a.most = least, most
		return false
	}
	a.least, a.most = max(a.least, least), min(a.most, most)
	return true
}

// Arrivals implements Stamper.
func (r *receiver) Arrivals() []policy.Time { return r.arrivals.monotonic() }

// Stamp implements Stamper. It fails after Close.
func (r *receiver) Stamp(on bool) error {
	value := 0
	if on {
		value = 1
	}
	var oerr error
	err := r.file.raw.Control(func(fd uintptr) {
		oerr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, value)
	})
	if err == nil {
		err = oerr
	}
	if err != nil {
		return fmt.Errorf("note when frames arrive: %w", err)
	}
	return nil
}
