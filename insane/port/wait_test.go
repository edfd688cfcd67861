package port

import (
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// Read returns nothing at the time that it was given, and never before. Until then it returns
// each frame as soon as it is there.
func TestReadUntil(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptAll)
	far := openSlave(t, l, "far", acceptNone)
	defer watchdog(near)()
	for _, wait := range []time.Duration{-time.Second, 0, 20 * time.Microsecond, 300 * time.Microsecond, 5 * time.Millisecond} {
		for range 20 {
			until := clock() + policy.Time(wait)
			frames, err := near.Read(until)
			if now := clock(); len(frames) > 0 || err != nil || now < until {
				t.Fatalf("wait %v: %d frames, %v, %v early", wait, len(frames), err, time.Duration(until-now))
			}
		}
	}
	const far1 = policy.Time(time.Hour)
	for _, until := range []policy.Time{0, clock() + far1, 1} {
		send(t, far, reply(1))
		await(t, "the frame", func() bool {
			frames, err := near.Read(until)
			must(t, err)
			return slices.Equal(numbers(frames), []int{1})
		})
	}
}

// Close wakes a Read that waits for a time.
func TestCloseWakesReadUntil(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	ended := make(chan error)
	go func() {
		for {
			if _, err := tap.Read(clock() + policy.Time(time.Hour)); err != nil {
				ended <- err
				return
			}
		}
	}()
	await(t, "Read to wait", func() bool { return waitingReads() > 0 })
	var closers sync.WaitGroup
	for range 2 {
		closers.Go(func() { must(t, tap.Close()) })
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v, want %v", err, os.ErrClosed)
	}
	closers.Wait()
}

// A waiter spins shortly before a time: at most spinMost, and at most a quarter of its time.
func TestSpinShare(t *testing.T) {
	w := waiter{spins: true}
	now := policy.Time(time.Hour)
	if got := w.lead(now, now+policy.Time(time.Second)); got != spinMost {
		t.Errorf("after a long rest it spins for %v, want %v", got, spinMost)
	}
	if got := w.lead(now, now-1); got != 0 {
		t.Errorf("spins for %v for a time that is over", got)
	}
	var spun policy.Time
	const turns, gap = 10_000, policy.Time(40 * time.Microsecond)
	began := now
	for range turns {
		until := now + gap
		lead := min(w.lead(now, until), gap)
		spun += lead
		now = until
		w.earn(now)
		w.credit -= min(w.credit, lead)
	}
	if share := float64(spun) / float64(now-began); share > 0.26 || share < 0.2 {
		t.Errorf("spins %.3f of the time, want a quarter", share)
	}
	w.spins = false
	if got := w.lead(now, now+gap); got != 0 {
		t.Errorf("spins for %v on one processor", got)
	}
}

// A batch leaves in order, whatever its length, and stops at the frame that is refused.
func TestSendMany(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptNone)
	far := openSlave(t, l, "far", acceptAll)
	var batch []frame.Frame
	var want []int
	for i := range 3*batchFrames + 1 {
		batch, want = append(batch, reply(i%200)), append(want, i%200)
	}
	send(t, near, batch...)
	send(t, near, reply(255))
	if got := readUntil(t, far, 255); !slices.Equal(numbers(got), append(want, 255)) {
		t.Errorf("%d frames arrived, or in another order: %v", len(got), numbers(got))
	}
	for _, at := range []int{0, 1, 5, batchFrames, len(batch) - 1} {
		bad := slices.Clone(batch)
		bad[at] = packet(macBroadcast, 1, 0x88b5, make([]byte, 9000))
		if n, err := near.Write(bad); n != at || !errors.Is(err, ErrTooBig) {
			t.Errorf("frame %d is too big: %d written, %v", at, n, err)
		}
		bad[at] = frame.Frame{}
		if n, err := near.Write(bad); n != at || err == nil {
			t.Errorf("frame %d is empty: %d written, %v", at, n, err)
		}
	}
}
