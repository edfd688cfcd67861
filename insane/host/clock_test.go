package host

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// Now is the kernel's clock, with a constant offset: the time between the two readings at
// program start that relate Go's clock to the kernel's.
func TestNow(t *testing.T) {
	const tie = 1_000_000 // ns; the process may have been interrupted between the two
	for range 10_000 {
		before, now, after := kernelClock(t), Now(), kernelClock(t)
		if now < before-tie || now > after {
			t.Fatalf("Now is %d, the kernel says %d before and %d after", now, before, after)
		}
	}
}

func TestNowNeverGoesBack(t *testing.T) {
	last := Now()
	for range 100_000 {
		now := Now()
		if now < last {
			t.Fatalf("%d after %d", now, last)
		}
		last = now
	}
}

func kernelClock(t *testing.T) policy.Time {
	var ts unix.Timespec
	must(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts))
	return policy.Time(ts.Nano())
}
