package insane

import (
	"sync"
	"time"
)

// ticker is the one timer for all periodic work: a process that is idle otherwise
// should not wake more often than it must. It is safe for concurrent use.
type ticker struct {
	stop chan struct{}
	call chan struct{} // gets a value when something is due; the receiver may be late

	mu        sync.Mutex
	watchdogs []*watchdog
	due       func() bool // whether anything is due; nil: never
	ended     bool
}

func newTicker() *ticker {
	return &ticker{stop: make(chan struct{}), call: make(chan struct{}, 1)}
}

// keep kicks a watchdog from now on.
func (t *ticker) keep(w *watchdog) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watchdogs = append(t.watchdogs, w)
}

// ask makes each tick ask whether anything is due. due must not wait for anything.
func (t *ticker) ask(due func() bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due = due
}

// run ticks until the ticker ends.
func (t *ticker) run() {
	ticks := time.NewTicker(kickInterval)
	defer ticks.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-ticks.C:
		}
		t.mu.Lock()
		watchdogs, due := t.watchdogs, t.due
		t.mu.Unlock()
		for _, w := range watchdogs {
			w.kick()
		}
		if due == nil || !due() {
			continue
		}
		select {
		case t.call <- struct{}{}:
		default:
		}
	}
}

// end ends all watchdogs and the ticker. A second time it does nothing.
func (t *ticker) end() {
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
