// Package watchdog gives frames back to the slave when the daemon hangs. The kernel treats
// the daemon as dead unless someone kicks the watchdog of a direction, and that happens
// only while the relay of the direction works.
//
//	ticker.go    Ticker, the one timer for all periodic work of a device
//	watchdog.go  Watchdog, and how long the kernel relies on the daemon
package watchdog

import (
	"sync"
	"time"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/policy"
)

// If the daemon is stopped, or gets no CPU time, the slave gets its frames back at most
// Limit after the last kick, and the frames of tx are relayed without verdicts. Kicks are
// as rare as Limit allows, because each kick wakes a process that may otherwise be idle.
const (
	Limit    = 900 * time.Millisecond // from the last kick until the kernel ignores all verdicts
	interval = 400 * time.Millisecond
)

// Watchdog tells the kernel how long it may rely on the daemon, for one direction. It is
// safe for concurrent use. It has its own lock, so that nothing that the device waits for
// delays a kick.
type Watchdog struct {
	kernel *kern.Direction
	clock  func() policy.Time
	works  func(now policy.Time) bool // reports whether the relay works

	mu    sync.Mutex
	armed bool
	ended bool
}

// New makes a watchdog for the kernel's part of a direction. works reports whether the
// relay of the direction works; it must not wait for anything. The new watchdog is not
// armed.
func New(kernel *kern.Direction, clock func() policy.Time, works func(now policy.Time) bool) *Watchdog {
	return &Watchdog{kernel: kernel, clock: clock, works: works}
}

// Armed reports whether the watchdog is armed: the kernel relies on the daemon while the
// relay works.
func (w *Watchdog) Armed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.armed
}

// Arm arms the watchdog and kicks it; with false the kernel treats the daemon as dead at
// once. After Ticker.End it does nothing.
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

// kick lets the kernel rely on the daemon for another Limit, if the watchdog is armed.
func (w *Watchdog) kick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed {
		w.write()
	}
}

// write tells the kernel the new limit. The caller holds w.mu.
func (w *Watchdog) write() {
	now := w.clock()
	switch {
	case !w.armed:
		w.kernel.Kick(0)
	case w.works(now):
		w.kernel.Kick(now + policy.Time(Limit))
	}
}
