package control

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// mostLogged is the most bytes of a member of a change of the rules that the log shows.
const mostLogged = 500

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

// wishes shows each member that a change of the rules has, as the arguments of a log line. Of
// the text of a file it shows the length.
func wishes(c api.RulesChange) (args []any) {
	args = appendTexts(nil, named{"add", c.Add}, named{"before", c.Before}, named{"set", c.Set}, named{"delete", c.Delete},
		named{"session", c.Session}, named{"for", c.For}, named{"confirm", c.Confirm})
	if c.Load != nil {
		args = append(args, "load", fmt.Sprintf("%d bytes", len(*c.Load)))
	}
	return args
}

// named is an optional member of a change; nil: it is absent.
type named struct {
	name string
	text *string
}

// appendTexts appends the members that are present to the arguments of a log line.
func appendTexts(args []any, members ...named) []any {
	for _, m := range members {
		if m.text != nil {
			args = append(args, m.name, cut(*m.text, mostLogged))
		}
	}
	return args
}

// cut returns a text, or its beginning if it has more bytes than longest.
func cut(text string, longest int) string {
	if len(text) > longest {
		return text[:longest] + "…"
	}
	return text
}

// transition shows a value before and after a change.
func transition[T comparable](before, after T) string {
	if before == after {
		return fmt.Sprint(after)
	}
	return fmt.Sprintf("%v -> %v", before, after)
}
