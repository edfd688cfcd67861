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
	}
	return rows
}

// reasons are those this version knows, in their order, and behind them those
// that only a newer daemon knows.
func reasons(stats api.Stats) []string {
	known := api.DropReasons()
	for _, reason := range slices.Sorted(maps.Keys(stats.Dropped)) {
		if !slices.Contains(known, reason) {
			known = append(known, reason)
		}
	}
	return known
}

func digits(n uint64) int { return len(strconv.FormatUint(n, 10)) }
