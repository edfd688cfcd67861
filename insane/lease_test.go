package insane

import (
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/policy"
)

// leased is a lease at work, and the filter whose it is, as the kernel has it.
type leased struct {
	*lease
	heart   *heart
	t       *testing.T
	program *ebpf.Program
	works   atomic.Bool // what the relay would say
	asked   atomic.Int64
	beats   sync.WaitGroup
}

func newLeased(t *testing.T) *leased {
	t.Helper()
	newBorea(t)
	programs, err := kern.Open("insane")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(programs.All())
	if err != nil {
		t.Fatal(err)
	}
	l := &leased{t: t}
	if l.program, err = ebpf.NewProgramFromFD(fd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.program.Close() })
	l.works.Store(true)
	l.lease = &lease{lane: programs.RX(), clock: host.Now, works: func(policy.Time) bool {
		l.asked.Add(1)
		return l.works.Load()
	}}
	l.heart = newHeart()
	l.heart.keep(l.lease)
	l.beats.Go(l.heart.run)
	return l
}

// takes reports whether the filter takes a frame.
func (l *leased) takes() bool {
	l.t.Helper()
	kept, err := l.program.Run(&ebpf.RunOptions{Data: make([]byte, 60)})
	if err != nil {
		l.t.Fatal(err)
	}
	return kept != 0
}

// becomes waits until the filter takes frames, or no longer does.
func (l *leased) becomes(takes bool, when string) {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); l.takes() != takes; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("%s: takes %v, want %v", when, !takes, takes)
		}
	}
}

// beaten waits until the lease has asked the relay so many times more.
func (l *leased) beaten(times int64) {
	l.t.Helper()
	end := time.Now().Add(20 * time.Second)
	for from := l.asked.Load(); l.asked.Load() < from+times; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatal("the lease does not ask whether the relay works")
		}
	}
}

// The lease follows what it is told at once, and is put off while the relay works.
// It runs out by itself when the relay hangs, and comes back with it.
func TestLease(t *testing.T) {
	l := newLeased(t)
	if l.takes() {
		t.Error("takes before it is armed")
	}
	l.arm(true)
	l.becomes(true, "armed")
	l.beaten(int64(leaseSpan/leaseBeat) + 1)
	l.becomes(true, "armed for longer than one lease")
	l.arm(false)
	if l.takes() {
		t.Error("takes after it was disarmed")
	}
	l.arm(true)
	l.works.Store(false)
	l.becomes(false, "the relay hangs")
	l.beaten(2)
	if l.takes() {
		t.Error("takes while the relay hangs")
	}
	l.arm(true) // a change of something else
	if l.takes() {
		t.Error("armed again while the relay hangs, and takes")
	}
	l.works.Store(true)
	l.becomes(true, "the relay works again")
	l.heart.end()
	l.heart.end()  // a second time
	l.beats.Wait() // or the test hangs
	l.becomes(false, "ended")
}

// A lease that is not armed stays so, however well the relay works.
func TestLeaseStaysDisarmed(t *testing.T) {
	l := newLeased(t)
	l.arm(true)
	l.arm(false)
	asked := l.asked.Load()
	time.Sleep(2 * leaseBeat) // long enough for a beat that should not be to be seen
	if l.takes() || l.asked.Load() != asked {
		t.Error("put off without being armed")
	}
	l.heart.end()
	l.heart.end() // a second time
	l.beats.Wait()
	l.arm(true)
	if l.takes() {
		t.Error("armed after its end")
	}
}

// The relay works unless one batch takes longer than a lease.
func TestRelayWorks(t *testing.T) {
	r := newRelay(nil, nil)
	for _, c := range []struct {
		since, now policy.Time
		want       bool
	}{
		{0, 1 << 40, true}, {100, 100, true}, {100, 99, true},
		{100, 99 + stuck, true}, {100, 100 + stuck, false}, {100, 1 << 62, false},
	} {
		r.since.Store(int64(c.since))
		if got := r.works(c.now); got != c.want {
			t.Errorf("batch since %d, now %d: works %v, want %v", c.since, c.now, got, c.want)
		}
	}
}
