package insane

import (
	"sync"
	"time"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/policy"
)

// The kernel takes the daemon for dead unless the watchdog of a direction is kicked,
// which happens only while the relay of the direction works. If somebody stops the
// daemon, or the machine has no time for it, the slave gets its frames back after
// watchdogLimit at the latest, and what is sent is relayed without verdicts. Kicks
// are as rare as that allows: each wakes a process that may have nothing else to do.
const (
	watchdogLimit = 900 * time.Millisecond
	kickInterval  = 400 * time.Millisecond
)

// watchdog says to the kernel how long one direction may go by the daemon. It is
// safe for concurrent use, and has a lock of its own: nothing that the device waits
// for may delay a kick.
type watchdog struct {
	kernel *kern.Lane
	clock  func() policy.Time
	works  func(now policy.Time) bool // whether the relay gets on

	mu    sync.Mutex
	armed bool
	ended bool
}

// arm starts the watchdog, or lets it bite at once. After end it does nothing.
func (w *watchdog) arm(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.armed = on
		w.write()
	}
}

// end disarms the watchdog for good.
func (w *watchdog) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed, w.ended = false, true
	w.write()
}

// kick gives the direction another watchdogLimit. Unless armed it does nothing.
func (w *watchdog) kick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed {
		w.write()
	}
}

// write tells the kernel. The caller holds w.mu.
func (w *watchdog) write() {
	now := w.clock()
	switch {
	case !w.armed:
		w.kernel.Lease(0)
	case w.works(now):
		w.kernel.Lease(now + policy.Time(watchdogLimit))
	}
}
