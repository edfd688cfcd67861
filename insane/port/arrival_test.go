package port

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// Arrivals are the times at which frames came to the link, also if they are read later. Tags do
// not hide them, and without Stamp there are none.
func TestArrivals(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptAll)
	far := openSlave(t, l, "far", acceptNone)
	var _ Stamper = near
	read := func() (numbersRead []int, arrivals []policy.Time) {
		t.Helper()
		frames, err := near.Read(clock() + policy.Time(time.Minute))
		must(t, err)
		return numbers(frames), slices.Clone(near.Arrivals())
	}
	// exchange returns whether each frame has a time, and one at which it was sent.
	exchange := func() (known, right bool) {
		t.Helper()
		before := clock()
		send(t, far, reply(1), tagged(reply(2), 7), reply(3))
		after := clock()
		time.Sleep(20 * time.Millisecond)
		got, arrivals := read()
		if len(got) < 3 || len(arrivals) != len(got) {
			t.Fatalf("frames %v, arrivals %v", got, arrivals)
		}
		known, right = true, true
		last := before
		for i, number := range got {
			if number < 1 {
				continue // of the kernel itself
			}
			at := arrivals[i]
			known = known && at != 0
			right = right && at >= last && at <= after+policy.Time(time.Millisecond)
			last = max(last, at)
		}
		return known, right
	}
	if known, _ := exchange(); known {
		t.Error("frames have times without Stamp")
	}
	must(t, near.Stamp(true))
	await(t, "the kernel to note times", func() bool { // it begins in the background (net_enable_timestamp)
		_, right := exchange()
		return right
	})
	for range 5 {
		if known, right := exchange(); !known || !right {
			t.Errorf("known: %v, right: %v", known, right)
		}
	}
	must(t, near.Stamp(false))
	if known, _ := exchange(); known {
		t.Error("frames have times after Stamp has ended")
	}
}

// A step of CLOCK_REALTIME makes the times of one batch unknown, and no others.
func TestArrivalsAfterStep(t *testing.T) {
	var a arrivals
	now := func(offset int64) unix.Timespec {
		var ts unix.Timespec
		must(t, unix.ClockGettime(unix.CLOCK_REALTIME, &ts))
		return unix.NsecToTimespec(ts.Nano() + offset)
	}
	known := func() bool {
		a.reset()
		a.add(now(0))
		return a.monotonic()[0] != 0
	}
	known() // nothing is known of the clock before
	if !known() {
		t.Error("no time is known")
	}
	for _, step := range []time.Duration{time.Second, -time.Second, time.Millisecond} { // as if the time had been set since
		a.least, a.most = a.least+int64(step), a.most+int64(step)
		if known() {
			t.Errorf("a time is known across a step of %v", step)
		}
		if !known() {
			t.Errorf("no time is known after a step of %v", step)
		}
	}
	a.reset()
	a.add(unix.Timespec{})
	if times := a.monotonic(); len(times) != 1 || times[0] != 0 {
		t.Errorf("without a stamp: %v", times)
	}
	a.reset()
	before := clock()
	a.add(now(0))
	if at := a.monotonic()[0]; at < before {
		t.Errorf("%v is %v too early", at, before-at)
	}
}
