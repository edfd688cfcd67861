package control

import (
	"fmt"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// transitions shows each member that a change can have, before and after the change, as the
// arguments of a log line. A member that stayed has one value.
func transitions(before, after api.Info) []any {
	return []any{
		"slave", transition(before.Slave, after.Slave),
		"receive", transition(before.Receive, after.Receive),
		"tx", transition(before.TX.Policy, after.TX.Policy),
		"rx", transition(before.RX.Policy, after.RX.Policy),
		"seed", transition(before.Seed, after.Seed),
	}
}

// transition shows a value before and after a change.
func transition[T comparable](before, after T) string {
	if before == after {
		return fmt.Sprint(after)
	}
	return fmt.Sprintf("%v -> %v", before, after)
}
