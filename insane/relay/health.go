package relay

import (
	"sync"

	"github.com/seed-39a139a1/insane/policy"
)

// Works reports whether the relay works: it is idle, or within the limit it has begun its
// batch or its far port has made progress. A port that waits for room makes progress, so a
// slave that is slow, or takes nothing at all, is no relay that hangs. Works must be called
// more often than the limit; it waits for nothing.
func (r *Relay) Works(now policy.Time) bool {
	var progress uint64
	if to := r.to.Load(); to != nil && to.Port != nil {
		progress = to.Port.Progress()
	}
	moved := r.health.look(now, progress)
	since := policy.Time(r.since.Load())
	return since == 0 || now < max(since, moved)+r.limit
}

// Idle reports whether Run waits for frames. The answer may be outdated when the caller
// gets it.
func (r *Relay) Idle() bool { return r.since.Load() == 0 }

// health tells when a port last made progress, as far as looks at it can tell. It reads no
// clock while frames are written. It is safe for concurrent use.
type health struct {
	mu       sync.Mutex
	progress uint64      // at the last look
	looked   policy.Time // the last look
	moved    policy.Time // the port has made progress at this time or later
}

// look takes note of the progress at a look, and returns the latest time at which, or after
// which, the port has certainly made progress: that of the look before it.
func (h *health) look(now policy.Time, progress uint64) policy.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if progress != h.progress {
		h.progress, h.moved = progress, h.looked
	}
	h.looked = now
	return h.moved
}
