package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// log prints the last changes of the device, one a line.
func (p *program) log(c *cli.Context) error {
	return show(p, c, (*insanely.Client).Log, logText)
}

// logText lists changes: when, who, and what has changed.
func logText(entries []api.LogEntry) string {
	var text strings.Builder
	width := 0
	for _, e := range entries {
		width = max(width, utf8.RuneCountInString(whoText(e)))
	}
	for _, e := range entries {
		fmt.Fprintf(&text, "%s  %-*s  %s\n", e.Time, width, whoText(e), whatText(e))
	}
	return text.String()
}

// whoText says who has made a change.
func whoText(e api.LogEntry) string {
	if e.Peer == nil {
		return e.Who
	}
	command := e.Peer.Command
	if command == "" {
		command = "(unknown)"
	}
	return fmt.Sprintf("uid %d pid %d %s", e.Peer.UID, e.Peer.PID, command)
}

// whatText says what a change has done: of each member what it was and is, or what it is if it
// has not changed.
func whatText(e api.LogEntry) string {
	var parts []string
	if e.For != "" {
		parts = append(parts, "for "+e.For)
	}
	if e.Confirm != "" {
		parts = append(parts, "confirm "+e.Confirm)
	}
	if e.Confirmed {
		parts = append(parts, "confirmed")
	}
	for _, m := range e.Members {
		switch {
		case e.Confirmed:
			parts = append(parts, m.Member+" "+m.To)
		case m.From == m.To:
			parts = append(parts, m.Member+" "+m.To)
		default:
			parts = append(parts, m.Member+" "+m.From+" -> "+m.To)
		}
	}
	return strings.Join(parts, ", ")
}
