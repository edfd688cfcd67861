package insane

import (
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/policy"
)

// Both directions draw from the one seed of the device, which people see and can
// give. rxIndex makes the draws of rx independent of those of tx, which are made with
// the seed itself: what a person sees of a device can be computed with package
// policy alone.
const rxIndex = 0

// seedOf is the seed of one direction. The caller holds d.mu, or nobody else knows
// the device yet.
func (d *Device) seedOf(r *relay.Relay) uint64 {
	if r == d.rx {
		return policy.Subseed(d.seed, rxIndex)
	}
	return d.seed
}
