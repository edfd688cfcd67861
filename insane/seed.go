package insane

import (
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/policy"
)

// rxIndex makes the draws of rx independent of the draws of tx. The draws of tx use the
// seed itself, so that a user can compute them with package policy alone.
const rxIndex = 0

// seedOf returns the seed of one direction, which depends on the seed of the device only. So
// a run can be repeated with the seed that State shows. The caller holds d.mu, or nobody else
// has the device yet.
func (d *Device) seedOf(r *relay.Relay) uint64 {
	if r == d.rx {
		return policy.Subseed(d.seed, rxIndex)
	}
	return d.seed
}
