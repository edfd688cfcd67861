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
	lane  *kern.Lane
	clock func() policy.Time
	works func(now policy.Time) bool // whether the relay gets on
	stop  chan struct{}

	mu    sync.Mutex
	armed bool
}

// newLease makes the lease of a lane that ends with its relay. beat has to be started.
func newLease(lane *kern.Lane, r *relay) *lease {
	return &lease{lane: lane, clock: r.clock, works: r.works, stop: make(chan struct{})}
}

// arm begins the lease, or ends it at once. After end it does nothing.
func (l *lease) arm(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended() {
		return
	}
	l.armed = on
	l.renew()
}

// end ends the lease for good. A second time it does nothing.
func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended() {
		return
	}
	l.armed = false
	l.renew()
	close(l.stop)
}

func (l *lease) ended() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// beat puts the lease off until it ends.
func (l *lease) beat() {
	for ticker := time.NewTicker(leaseBeat); ; {
		select {
		case <-l.stop:
			ticker.Stop()
			return
		case <-ticker.C:
			l.mu.Lock()
			if l.armed {
				l.renew()
			}
			l.mu.Unlock()
		}
	}
}

// renew writes the lease. The caller holds l.mu.
func (l *lease) renew() {
	now := l.clock()
	switch {
	case !l.armed:
		l.lane.Lease(0)
	case l.works(now):
		l.lane.Lease(now + policy.Time(leaseSpan))
	}
}
