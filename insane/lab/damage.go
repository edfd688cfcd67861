package lab

import (
	"fmt"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// damage is a policy that flips one bit in this share of the packets, and loses none.
type damage float64

// allowed returns how many packets may be damaged.
func (d damage) allowed(m measurement) (lo, hi uint64) {
	return probe.Interval(m.reached(), float64(d), probe.Alpha)
}

func (d damage) arrived(m measurement) string {
	return fmt.Sprintf("%s; the receiving kernel refused %s for a wrong checksum or header", number(m.result.Received), number(m.result.Rejected))
}

func (d damage) details(m measurement) []detail {
	seen := m.result.Damage
	lo, hi := d.allowed(m)
	return []detail{
		{"damaged", fmt.Sprintf("%s by insane, %.2f %%; chance allows %s to %s",
			number(m.counters.damaged), share(int(m.counters.damaged), m.result.Sent), number(lo), number(hi))},
		{"", fmt.Sprintf("%s seen on arrival, in which %s differ; allowed: 1 in each",
			number(seen.Packets), counted(seen.Bits, "bit"))},
	}
}

func (d damage) judge(m measurement) []string {
	var found faults
	r, seen := m.result, m.result.Damage
	lo, hi := d.allowed(m)
	claimed := m.counters.damaged
	found.add(claimed < lo || claimed > hi, "%s damaged by the counters, chance allows %s to %s", number(claimed), number(lo), number(hi))
	// Damaged packets beside the probe's are the kernel's own.
	hidden := int64(claimed) - int64(seen.Packets)
	found.add(hidden < 0 || hidden > max(m.foreign(), 0), "%s damaged by the counters, %s on arrival",
		number(claimed), number(seen.Packets))
	found.add(seen.Bits != seen.Packets, "%s differ in %s, allowed is 1 in each", counted(seen.Bits, "bit"), packets(seen.Packets))
	found.add(seen.Seen != r.Sent, "%s reached the receiving host, %s were sent", packets(seen.Seen), number(r.Sent))
	guarded := seen.Packets - seen.Unguarded
	found.add(r.Rejected != guarded, "%s with a wrong checksum, but the receiving kernel refused %s", packets(guarded), number(r.Rejected))
	found.add(r.Received+r.Rejected != r.Sent, "%s arrived or were refused, %s were sent", packets(r.Received+r.Rejected), number(r.Sent))
	return found
}

func (d damage) fair(measurement) bool { return true }
