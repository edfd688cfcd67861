package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// stats prints the counters alone.
func (p *program) stats(c *cli.Context) error {
	if err := refuse(c, changeFlags...); err != nil {
		return err
	}
	client, err := p.open(c)
	if err != nil {
		return err
	}
	defer client.Close()
	stats, err := client.Stats(c.Context)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(stats)
	}
	layout := newCounters(stats.TX, stats.RX)
	var text blocks
	text.add("tx", layout.lines(stats.TX)...)
	text.add("rx", layout.lines(stats.RX)...)
	return p.print(text.String())
}

// counters is the layout of the counters of several directions: the widths of
// the columns label, packets and bytes, in characters.
type counters struct{ label, packets, bytes int }

// row is one line of counters.
type row struct {
	label string
	count api.Count
}

func newCounters(all ...api.Stats) counters {
	layout := counters{label: len("overruns"), packets: len("packets"), bytes: len("bytes")}
	for _, stats := range all {
		for _, row := range rows(stats) {
			layout.label = max(layout.label, len(row.label))
			layout.packets = max(layout.packets, digits(row.count.Packets))
			layout.bytes = max(layout.bytes, digits(row.count.Bytes))
		}
		layout.packets = max(layout.packets, digits(stats.Overruns))
	}
	return layout
}

// lines are the counters of one direction, under a heading.
func (l counters) lines(stats api.Stats) []string {
	lines := []string{fmt.Sprintf("%-*s  %*s  %*s", l.label, "", l.packets, "packets", l.bytes, "bytes")}
	for _, row := range rows(stats) {
		lines = append(lines, fmt.Sprintf("%-*s  %*d  %*d",
			l.label, row.label, l.packets, row.count.Packets, l.bytes, row.count.Bytes))
	}
	// The kernel counts what it loses in buffers and knows no bytes.
	return append(lines, fmt.Sprintf("%-*s  %*d  frames", l.label, "overruns", l.packets, stats.Overruns))
}

// rows are the counters of one direction. Reasons that never happened are left
// out, and so is what is held while nothing is.
func rows(stats api.Stats) []row {
	rows := []row{{"offered", stats.Offered}, {"relayed", stats.Relayed}}
	if stats.Held != (api.Count{}) {
		rows = append(rows, row{"held", stats.Held})
	}
	for _, reason := range reasons(stats) {
		if count := stats.Dropped[reason]; count != (api.Count{}) {
			rows = append(rows, row{"dropped " + reason, count})
		}
		if reason == api.DropPolicy {
			rows = append(rows, stageRows(stats)...)
		}
	}
	return rows
}

// stageRows are what each stage dropped, if more than one has dropped anything: of one
// alone the row above them tells.
func stageRows(stats api.Stats) (rows []row) {
	for _, stage := range ordered(modes, stats.Stages) {
		if count := stats.Stages[stage]; count != (api.Count{}) {
			rows = append(rows, row{"  by " + stage, count})
		}
	}
	if len(rows) < 2 {
		return nil
	}
	return rows
}

// reasons are those this version knows, in their order, and behind them those
// that only a newer daemon knows.
func reasons(stats api.Stats) []string { return ordered(api.DropReasons(), stats.Dropped) }

// ordered is the known names, and behind them those that have a count and are not known.
func ordered(known []string, counts map[string]api.Count) []string {
	all := slices.Clone(known)
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if !slices.Contains(known, name) {
			all = append(all, name)
		}
	}
	return all
}

func digits(n uint64) int { return len(strconv.FormatUint(n, 10)) }
