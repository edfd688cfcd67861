package port

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// The thread has the priority as long as it is urgent, and those that it starts have not.
func TestUrgency(t *testing.T) {
	newNamespace(t) // needs root
	runtime.LockOSThread()
	schedule := func() *unix.SchedAttr {
		t.Helper()
		attr, err := unix.SchedGetAttr(0, 0)
		must(t, err)
		return attr
	}
	before := schedule()
	var u Urgency
	must(t, u.Set(false, 0))
	for range 2 {
		if err := u.Set(true, clock()); errors.Is(err, unix.EPERM) {
			if err := u.Set(true, clock()); err != nil || schedule().Policy != before.Policy {
				t.Errorf("without the right: %v, %+v", err, schedule())
			}
			return
		} else if err != nil {
			t.Fatal(err)
		}
		if now := schedule(); now.Policy != unix.SCHED_FIFO || now.Priority != realTime || now.Flags&unix.SCHED_FLAG_RESET_ON_FORK == 0 {
			t.Errorf("urgent: %+v", now)
		}
	}
	must(t, u.Set(false, 0))
	if now := schedule(); now.Policy != before.Policy || now.Nice != before.Nice {
		t.Errorf("%+v, was %+v before", now, before)
	}
}

// The priority follows a goroutine to another thread, and is taken from the first one.
func TestUrgencyFollows(t *testing.T) {
	newNamespace(t) // needs root
	var u Urgency
	first, second := make(chan int), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if u.Set(true, clock()) != nil {
			close(first)
			return
		}
		first <- unix.Gettid()
		<-second
	}()
	old, ok := <-first
	if !ok {
		return // the rights do not allow it: see TestUrgency
	}
	runtime.LockOSThread()
	self := unix.Gettid()
	for processorTime(self) < processorTime(old)+2*burst {
		// The time that this thread has run before is not the goroutine's.
	}
	must(t, u.Set(true, clock()))
	for thread, want := range map[int]uint32{old: unix.SCHED_NORMAL, self: unix.SCHED_FIFO} {
		if attr, err := unix.SchedGetAttr(thread, 0); err != nil || attr.Policy != want {
			t.Errorf("thread %d: %+v, %v; want policy %d", thread, attr, err, want)
		}
	}
	must(t, u.Set(false, 0))
	close(second)
}

// A thread that is busy all the time goes without the priority for a short time, again and again, so
// that it never has it for 95 % of a second. One that is busy for nine tenths of its time keeps it.
func TestUrgencyTurns(t *testing.T) {
	for _, c := range []struct{ busy, least, most float64 }{ // shares of the time: busy, and without the priority
		{1, 0.055, 0.075}, {0.97, 0.03, 0.05}, {0.9, 0, 0}, {0.5, 0, 0}, {0, 0, 0},
	} {
		var u turns
		const step, end = policy.Time(100 * time.Microsecond), policy.Time(4 * time.Second)
		used, without, with := policy.Time(0), policy.Time(0), []policy.Time{}
		for now := policy.Time(time.Hour); len(with) < int(end/step); now += step {
			taken := policy.Time(c.busy * float64(step))
			used += taken
			if !u.urgent(now, func() policy.Time { return used }) {
				without, taken = without+step, 0
			}
			with = append(with, taken)
		}
		if share := float64(without) / float64(end); share < c.least || share > c.most {
			t.Errorf("busy %v: %.3f of the time without the priority", c.busy, share)
		}
		second, sum := int(policy.Time(time.Second)/step), policy.Time(0)
		for i, taken := range with {
			if sum += taken; i >= second {
				sum -= with[i-second]
			}
			if sum > policy.Time(950*time.Millisecond) {
				t.Fatalf("busy %v: %v of a second with the priority", c.busy, time.Duration(sum))
			}
		}
	}
}

// Wake makes the Read that waits return, or else the next one, once. Frames are not lost by it.
func TestWake(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptAll)
	far := openSlave(t, l, "far", acceptNone)
	defer watchdog(near)()
	for _, until := range []policy.Time{0, clock() + policy.Time(time.Hour)} {
		near.Wake()
		near.Wake()
		if frames, err := near.Read(until); len(frames) > 0 || err != nil {
			t.Errorf("%d frames, %v; want none", len(frames), err)
		}
		woken := make(chan error)
		go func() {
			_, err := near.Read(until)
			woken <- err
		}()
		await(t, "Read to wait", func() bool { return waitingReads() > 0 })
		near.Wake()
		must(t, <-woken)
		near.Wake()
		send(t, far, reply(1))
		await(t, "the frame", func() bool {
			frames, err := near.Read(until)
			must(t, err)
			return slices.Equal(numbers(frames), []int{1})
		})
	}
}

// From a silence nothing comes, and it loses what is written.
func TestSilence(t *testing.T) {
	s, err := OpenSilence()
	must(t, err)
	until := clock() + policy.Time(time.Millisecond)
	if frames, err := s.Read(until); len(frames) > 0 || err != nil || clock() < until {
		t.Errorf("%d frames, %v", len(frames), err)
	}
	s.Wake()
	if frames, err := s.Read(0); len(frames) > 0 || err != nil {
		t.Errorf("woken: %d frames, %v", len(frames), err)
	}
	if n, err := s.Write(nil); n != 0 || !errors.Is(err, ErrGone) {
		t.Errorf("%d written, %v", n, err)
	}
	must(t, s.Close())
	s.Wake()
	if _, err := s.Read(0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
