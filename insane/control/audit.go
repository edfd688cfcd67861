package control

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// LogWarnings tells the log which warnings have begun, and which are over.
func LogWarnings(log *slog.Logger, before, after []api.Warning) {
	for _, w := range after {
		if !slices.Contains(before, w) {
			log.Warn(w.Message, "kind", w.Kind)
		}
	}
	for _, w := range before {
		if !slices.Contains(after, w) {
			log.Info("no longer: "+w.Message, "kind", w.Kind)
		}
	}
}

// transitions shows each member that a change can have, before and after the change, as the
// arguments of a log line. A member that stayed has one value.
func transitions(before, after api.Info) []any {
	return []any{
		"slave", transition(before.Slave, after.Slave),
		"receive", transition(before.Receive, after.Receive),
		"tx", transition(before.TX.Policy, after.TX.Policy),
		"rx", transition(before.RX.Policy, after.RX.Policy),
		"seed", transition(before.Seed, after.Seed),
		"judgeNeighbours", transition(before.JudgeNeighbours, after.JudgeNeighbours),
	}
}

// transition shows a value before and after a change.
func transition[T comparable](before, after T) string {
	if before == after {
		return fmt.Sprint(after)
	}
	return fmt.Sprintf("%v -> %v", before, after)
}
