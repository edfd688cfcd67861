package watchdog

import (
	"sync"
	"time"
)

// Ticker is the one timer for all periodic work, so that an otherwise idle process wakes as
// rarely as possible. It is safe for concurrent use.
type Ticker struct {
	stop chan struct{}
	due  chan struct{} // has a value when a tick has passed; the receiver may read it late

	mu        sync.Mutex
	watchdogs []*Watchdog
	ended     bool
}

// NewTicker makes a ticker. Call Run to start it.
func NewTicker() *Ticker {
	return &Ticker{stop: make(chan struct{}), due: make(chan struct{}, 1)}
}

// Keep makes each tick kick a watchdog.
func (t *Ticker) Keep(w *Watchdog) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watchdogs = append(t.watchdogs, w)
}

// Due returns a channel that gets a value at each tick, for other periodic work. Values
// that nobody has received yet count as one.
func (t *Ticker) Due() <-chan struct{} { return t.due }

// Run kicks at every tick. It returns after End. Call it once.
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
		watchdogs := t.watchdogs
		t.mu.Unlock()
		for _, w := range watchdogs {
			w.kick()
		}
		select {
		case t.due <- struct{}{}:
		default:
		}
	}
}

// EndReceive disarms for good the watchdogs of what is received, so that the slave has its
// frames back. The others go on.
func (t *Ticker) EndReceive() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.watchdogs {
		if w.kernel.Receives() {
			w.end()
		}
	}
}

// End disarms all watchdogs for good and stops the ticker. A second call does nothing.
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
