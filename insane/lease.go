package insane

import (
	"sync"
	"time"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/policy"
)

// The dead-man rule: the receive filter takes frames only as long as its lease
// runs, and the lease is put off only while the relay works. Whoever stops the
// daemon, or the machine that has no time for it, gives the slave its frames
// back after leaseSpan at the latest. Beats are as rare as that allows: each wakes
// a process that may have nothing else to do.
const (
	leaseSpan = 900 * time.Millisecond
	leaseBeat = 400 * time.Millisecond
)

// lease holds the receive filter's lease. It is safe for concurrent use, and
// has a lock of its own: nothing that the device waits for may delay it.
type lease struct {
	filter *kern.Receive
	clock  func() policy.Time
	works  func(now policy.Time) bool // whether the relay gets on
	stop   chan struct{}

	mu    sync.Mutex
	armed bool
}

// arm begins the lease, or ends it at once.
func (l *lease) arm(on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = on
	return l.renew()
}

// end takes the lease and the filter away. A second time it does nothing.
func (l *lease) end() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = false
	select {
	case <-l.stop:
		return nil
	default:
	}
	close(l.stop)
	return l.filter.Close()
}

// beat puts the lease off until stop is closed.
func (l *lease) beat() {
	for ticker := time.NewTicker(leaseBeat); ; {
		select {
		case <-l.stop:
			ticker.Stop()
			return
		case <-ticker.C:
			l.mu.Lock()
			if l.armed {
				_ = l.renew() // it runs out, and the slave has its frames
			}
			l.mu.Unlock()
		}
	}
}

// renew writes the lease. The caller holds l.mu.
func (l *lease) renew() error {
	now := l.clock()
	switch {
	case !l.armed:
		return l.filter.Lease(0)
	case !l.works(now):
		return nil
	}
	return l.filter.Lease(now + policy.Time(leaseSpan))
}
