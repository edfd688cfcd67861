// Package watchdog gives the slave its frames back when the daemon hangs: the
// kernel takes the daemon for dead unless the watchdog of a direction is kicked,
// which happens only while the relay of the direction works.
//
//	ticker.go    one timer for all periodic work of a device
//	watchdog.go  how long the kernel may go by the daemon
package watchdog

import (
	"sync"
	"time"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/policy"
)

// If somebody stops the daemon, or the machine has no time for it, the slave gets
// its frames back after Limit at the latest, and what is sent is relayed without
// verdicts. Kicks are as rare as that allows: each wakes a process that may have
// nothing else to do.
const (
	Limit    = 900 * time.Millisecond // from the last kick to the end of all verdicts
	interval = 400 * time.Millisecond
)

// Watchdog says to the kernel how long one direction may go by the daemon. It is
// safe for concurrent use, and has a lock of its own: nothing that the device waits
// for may delay a kick.
type Watchdog struct {
	kernel *kern.Direction
	clock  func() policy.Time
	works  func(now policy.Time) bool // whether the relay gets on

	mu    sync.Mutex
	armed bool
	ended bool
}

// New makes a watchdog for the kernel's part of a direction. works reports whether
// the relay of the direction gets on; it must not wait for anything. The watchdog is
// not armed.
func New(kernel *kern.Direction, clock func() policy.Time, works func(now policy.Time) bool) *Watchdog {
	return &Watchdog{kernel: kernel, clock: clock, works: works}
}

// Armed reports whether the kernel goes by the daemon while the relay works.
func (w *Watchdog) Armed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.armed
}

// Arm starts the watchdog, or takes the daemon for dead at once. After the Ticker
// that keeps the watchdog has ended it does nothing.
func (w *Watchdog) Arm(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.armed = on
		w.write()
	}
}

// end disarms the watchdog for good.
func (w *Watchdog) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed, w.ended = false, true
	w.write()
}

// kick gives the direction another Limit. Unless armed it does nothing.
func (w *Watchdog) kick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed {
		w.write()
	}
}

// write tells the kernel. The caller holds w.mu.
func (w *Watchdog) write() {
	now := w.clock()
	switch {
	case !w.armed:
		w.kernel.Kick(0)
	case w.works(now):
		w.kernel.Kick(now + policy.Time(Limit))
	}
}
