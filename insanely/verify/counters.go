package verify

import (
	"fmt"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// reading is a state of the device, and the time in which it was asked for.
type reading struct {
	info        api.Info
	rules       []api.Rule
	asked, told int64
}

// middle is about when the counters were read.
func (r *reading) middle() int64 { return (r.asked + r.told) / 2 }

// lag is how much later than the witness the device may count a packet. While it is busy it has
// packets in its queue that it has not read.
const lag = 250 * time.Millisecond

// countedIn returns how many packets of a list may have been counted between two readings.
func countedIn(list []sighting, first, last *reading, rule int32) (low, high uint64) {
	low = between(list, first.told, last.asked-lag.Nanoseconds(), rule)
	high = between(list, first.asked-lag.Nanoseconds(), last.told, rule)
	return low, high
}

// counterLines compares the counters of a direction with what the witness counted. Of so many
// packets the witness does not know whether they are the device's.
func counterLines(name string, before, after api.Stats, first, last *reading, in, out []sighting, unknown uint64) (lines []Line) {
	for _, c := range []struct {
		what string
		said uint64
		list []sighting
	}{
		{"offered", after.Offered.Packets - before.Offered.Packets, in},
		{"relayed", after.Relayed.Packets - before.Relayed.Packets, out},
	} {
		low, high := countedIn(c.list, first, last, anyRule)
		high += unknown
		line := Line{
			Direction: name, Stage: "counter " + c.what, Asked: count(c.said), Seen: count(between(c.list, first.middle(), last.middle(), anyRule)),
			Verdict: verdict(c.said >= low && c.said <= high), Packets: high,
		}
		if high > low {
			line.Interval = count(low) + " … " + count(high)
		}
		lines = append(lines, line)
	}
	return append(lines, unasked(name, before, after)...)
}

// unasked says which packets the device has lost although no policy said so.
func unasked(name string, before, after api.Stats) (lines []Line) {
	add := func(what string, before, after uint64, unit string) {
		if after > before {
			lines = append(lines, Line{Direction: name, Stage: "counter " + what, Asked: "none",
				Seen: fmt.Sprintf("%s %s lost", count(after-before), unit), Verdict: Differs, Packets: after - before})
		}
	}
	add("overruns", before.Overruns, after.Overruns, "frames")
	add("noMemory", before.NoMemory, after.NoMemory, "packets")
	for _, reason := range api.DropReasons() {
		if reason != api.DropPolicy {
			add("dropped "+reason, before.Dropped[reason].Packets, after.Dropped[reason].Packets, "packets")
		}
	}
	return lines
}

// changed says what of two readings is not the same policy; "" if nothing has changed.
func changed(a, b *reading) string {
	switch {
	case a.info.Slave != b.info.Slave:
		return "the slave"
	case a.info.TX.Policy != b.info.TX.Policy || less(a.info.TX.Verdicts, b.info.TX.Verdicts):
		return "the policy of tx"
	case a.info.RX.Policy != b.info.RX.Policy || less(a.info.RX.Verdicts, b.info.RX.Verdicts):
		return "the policy of rx"
	case a.info.Seed != b.info.Seed:
		return "the seed"
	case a.info.Receive != b.info.Receive:
		return "the receive mode"
	case a.info.JudgeNeighbours != b.info.JudgeNeighbours:
		return "whether neighbours are judged"
	case len(a.rules) != len(b.rules):
		return "the rules"
	}
	for i := range a.rules {
		if !same(&a.rules[i], &b.rules[i]) {
			return "rule " + a.rules[i].Name
		}
	}
	return ""
}

// less reports whether verdicts have become fewer: then they count from another change on.
func less(a, b api.Verdicts) bool { return b.Relay < a.Relay || b.Drop < a.Drop }

// same reports whether a rule is still the same.
func same(a, b *api.Rule) bool {
	if a.Name != b.Name || a.Match != b.Match {
		return false
	}
	for _, d := range []struct{ a, b *api.RuleDirection }{{a.TX, b.TX}, {a.RX, b.RX}} {
		if (d.a == nil) != (d.b == nil) || d.a != nil && (d.a.Policy != d.b.Policy || less(d.a.Verdicts, d.b.Verdicts)) {
			return false
		}
	}
	return true
}
