package insane

import (
	"sync"
	"time"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/policy"
)

// The dead-man rule: the kernel goes by a lease, which is put off only while the
// relay of the direction works. Whoever stops the daemon, or the machine that has no
// time for it, gives the slave its frames back after leaseSpan at the latest, and
// what is sent is relayed without verdicts. Beats are as rare as that allows: each
// wakes a process that may have nothing else to do.
const (
	leaseSpan = 900 * time.Millisecond
	leaseBeat = 400 * time.Millisecond
)

// lease holds the lease of a lane. It is safe for concurrent use, and has a lock of
// its own: nothing that the device waits for may delay it.
type lease struct {
	lane  *kern.Direction
	clock func() policy.Time
	works func(now policy.Time) bool // whether the relay gets on

	mu    sync.Mutex
	armed bool
	ended bool
}

// newLease makes the lease of a lane that ends with its relay.
func newLease(lane *kern.Direction, r *relay) *lease {
	return &lease{lane: lane, clock: r.clock, works: r.works}
}

// arm begins the lease, or ends it at once. After end it does nothing.
func (l *lease) arm(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.armed = on
		l.renew()
	}
}

// end ends the lease for good.
func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed, l.ended = false, true
	l.renew()
}

// beat puts the lease off.
func (l *lease) beat() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.armed {
		l.renew()
	}
}

// renew writes the lease. The caller holds l.mu.
func (l *lease) renew() {
	now := l.clock()
	switch {
	case !l.armed:
		l.lane.Kick(0)
	case l.works(now):
		l.lane.Kick(now + policy.Time(leaseSpan))
	}
}

// heart beats for all that is to be done now and then, at once: a process that is
// idle otherwise should not wake more often than it must.
type heart struct {
	stop chan struct{}
	call chan struct{} // somebody is to look what is due; may be late

	mu     sync.Mutex
	leases []*lease
	due    func() bool // whether anything is; nil: nothing ever
	ended  bool
}

func newHeart() *heart {
	return &heart{stop: make(chan struct{}), call: make(chan struct{}, 1)}
}

// keep puts a lease off from now on.
func (h *heart) keep(l *lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leases = append(h.leases, l)
}

// ask makes each beat ask whether anything is due. due must not wait for anything.
func (h *heart) ask(due func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.due = due
}

// run beats until the heart ends.
func (h *heart) run() {
	ticker := time.NewTicker(leaseBeat)
	defer ticker.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-ticker.C:
		}
		h.mu.Lock()
		leases, due := h.leases, h.due
		h.mu.Unlock()
		for _, l := range leases {
			l.beat()
		}
		if due == nil || !due() {
			continue
		}
		select {
		case h.call <- struct{}{}:
		default:
		}
	}
}

// end ends all leases and the heart. A second time it does nothing.
func (h *heart) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return
	}
	h.ended = true
	for _, l := range h.leases {
		l.end()
	}
	close(h.stop)
}
