package watchdog

import (
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/policy"
)

// watched is a running watchdog, and a filter whose decision depends on it.
type watched struct {
	*Watchdog
	ticker   *Ticker
	t        *testing.T
	programs *kern.Objects
	program  *ebpf.Program
	works    atomic.Bool // the answer of the relay
	asked    atomic.Int64
	ticks    sync.WaitGroup
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	labtest.Namespace(t)
	programs, err := kern.Open("insane")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(programs.All())
	if err != nil {
		t.Fatal(err)
	}
	l := &watched{t: t}
	if l.program, err = ebpf.NewProgramFromFD(fd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.program.Close() })
	l.works.Store(true)
	l.programs = programs
	l.Watchdog = &Watchdog{kernel: programs.RX(), clock: host.Now, works: func(policy.Time) bool {
		l.asked.Add(1)
		return l.works.Load()
	}}
	l.ticker = NewTicker()
	l.ticker.Keep(l.Watchdog)
	l.ticks.Go(l.ticker.Run)
	return l
}

// takes reports whether the filter takes a frame.
func (l *watched) takes() bool {
	l.t.Helper()
	kept, err := l.program.Run(&ebpf.RunOptions{Data: make([]byte, 60)})
	if err != nil {
		l.t.Fatal(err)
	}
	return kept != 0
}

// becomes waits until the filter takes frames, or until it does not any more.
func (l *watched) becomes(takes bool, when string) {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); l.takes() != takes; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("%s: takes %v, want %v", when, !takes, takes)
		}
	}
}

// kicked waits until the watchdog has asked the relay this many times more.
func (l *watched) kicked(times int64) {
	l.t.Helper()
	end := time.Now().Add(20 * time.Second)
	for from := l.asked.Load(); l.asked.Load() < from+times; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatal("the watchdog does not ask whether the relay works")
		}
	}
}

// The watchdog follows Arm at once, and is kicked while the relay works. It runs out when
// the relay hangs, and takes frames again when the relay works again.
func TestWatchdog(t *testing.T) {
	l := newWatched(t)
	if l.takes() {
		t.Error("takes before it is armed")
	}
	l.Arm(true)
	l.becomes(true, "armed")
	l.kicked(int64(Limit/interval) + 1)
	l.becomes(true, "armed for longer than one watchdog")
	l.Arm(false)
	if l.takes() {
		t.Error("takes after it was disarmed")
	}
	l.Arm(true)
	l.works.Store(false)
	l.becomes(false, "the relay hangs")
	l.kicked(2)
	if l.takes() {
		t.Error("takes while the relay hangs")
	}
	l.Arm(true) // some other change
	if l.takes() {
		t.Error("armed again while the relay hangs, and takes")
	}
	l.works.Store(true)
	l.becomes(true, "the relay works again")
	l.ticker.End()
	l.ticker.End() // a second call
	l.ticks.Wait() // otherwise the test hangs
	l.becomes(false, "ended")
}

// A watchdog that is not armed stays disarmed, even if the relay works.
func TestWatchdogStaysDisarmed(t *testing.T) {
	l := newWatched(t)
	l.Arm(true)
	l.Arm(false)
	asked := l.asked.Load()
	time.Sleep(2 * interval) // long enough for a wrong kick to be seen
	if l.takes() || l.asked.Load() != asked {
		t.Error("put off without being armed")
	}
	l.ticker.End()
	l.ticker.End() // a second time
	l.ticks.Wait()
	l.Arm(true)
	if l.takes() {
		t.Error("armed after its end")
	}
}

// At the end the slave has its frames back first: what is received is disarmed for good, and
// what is sent goes on.
func TestEndReceive(t *testing.T) {
	l := newWatched(t)
	sending := New(l.programs.TX(), host.Now, func(policy.Time) bool { return true })
	l.ticker.Keep(sending)
	l.Arm(true)
	sending.Arm(true)
	l.ticker.EndReceive()
	if l.Arm(true); l.takes() {
		t.Error("takes what is received")
	}
	if !sending.Armed() {
		t.Error("what is sent has ended as well")
	}
	l.ticker.End()
	l.ticks.Wait()
}
