package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// stats prints the counters only.
func (p *program) stats(c *cli.Context) error {
	return show(p, c, (*insanely.Client).Stats, statsText)
}

// statsText lists the counters of both directions.
func statsText(stats api.DeviceStats) string {
	layout := newCounters(stats.TX, stats.RX)
	var text blocks
	text.add("tx", layout.lines(stats.TX)...)
	text.add("rx", layout.lines(stats.RX)...)
	return text.String()
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

// lines returns the counters of one direction, below a heading.
func (l counters) lines(stats api.Stats) []string {
	lines := []string{fmt.Sprintf("%-*s  %*s  %*s", l.label, "", l.packets, "packets", l.bytes, "bytes")}
	for _, row := range rows(stats) {
		lines = append(lines, fmt.Sprintf("%-*s  %*d  %*d",
			l.label, row.label, l.packets, row.count.Packets, l.bytes, row.count.Bytes))
	}
	if stats.NoMemory > 0 {
		lines = append(lines, fmt.Sprintf("%-*s  %*d  packets", l.label, "no memory", l.packets, stats.NoMemory))
	}
	// The kernel counts lost buffers and does not know their bytes.
	return append(lines, fmt.Sprintf("%-*s  %*d  frames", l.label, "overruns", l.packets, stats.Overruns))
}

// rows returns the counters of one direction. It leaves out those that are zero, but for the
// first two.
func rows(stats api.Stats) []row {
	rows := []row{{"offered", stats.Offered}, {"relayed", stats.Relayed}}
	add := func(label string, count api.Count) {
		if count != (api.Count{}) {
			rows = append(rows, row{label, count})
		}
	}
	add("held", stats.Held)
	add("copied", stats.Copied)
	add("damaged", stats.Damaged)
	add("reordered", stats.Reordered)
	for _, stage := range ordered(modes, stats.Marked) {
		add("marked by "+stage, stats.Marked[stage])
	}
	for _, reason := range reasons(stats) {
		if count := stats.Dropped[reason]; count != (api.Count{}) {
			rows = append(rows, row{"dropped " + reason, count})
		}
		if reason == api.DropPolicy {
			rows = append(rows, stageRows(stats)...)
		}
	}
	add("neighbour", stats.Neighbour)
	return rows
}

// stageRows returns the counters of each stage, if more than one stage has dropped packets.
// If only one has, the row above shows the same number.
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

// reasons returns the reasons that this version knows, in their order, and then the reasons
// that only a newer daemon knows.
func reasons(stats api.Stats) []string { return ordered(api.DropReasons(), stats.Dropped) }

// ordered returns the known names, and then the other names in counts.
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
