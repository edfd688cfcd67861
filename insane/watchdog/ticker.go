package watchdog

import (
	"sync"
	"time"
)

// Ticker is the one timer for all periodic work: a process that is idle otherwise
// should not wake more often than it must. It is safe for concurrent use.
type Ticker struct {
	stop chan struct{}
	due  chan struct{} // gets a value when something is due; the receiver may be late

	mu        sync.Mutex
	watchdogs []*Watchdog
	ask       func() bool // whether anything is due; nil: never
	ended     bool
}

// NewTicker makes a ticker that does not run yet.
func NewTicker() *Ticker {
	return &Ticker{stop: make(chan struct{}), due: make(chan struct{}, 1)}
}

// Keep kicks a watchdog from now on.
func (t *Ticker) Keep(w *Watchdog) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watchdogs = append(t.watchdogs, w)
}

// Ask makes each tick ask whether anything is due. due must not wait for anything.
func (t *Ticker) Ask(due func() bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ask = due
}

// Due gets a value when a tick has found something due. Values that nobody has
// received yet are one.
func (t *Ticker) Due() <-chan struct{} { return t.due }

// Run ticks until the ticker ends.
func (t *Ticker) Run() {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-ticks.C:
		}
		t.mu.Lock()
		watchdogs, due := t.watchdogs, t.ask
		t.mu.Unlock()
		for _, w := range watchdogs {
			w.kick()
		}
		if due == nil || !due() {
			continue
		}
		select {
		case t.due <- struct{}{}:
		default:
		}
	}
}

// End ends all watchdogs and the ticker. A second time it does nothing.
func (t *Ticker) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	for _, w := range t.watchdogs {
		w.end()
	}
	close(t.stop)
}
