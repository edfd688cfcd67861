package lab

import (
	"fmt"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// expectation is what a policy allows a measurement to show. chance, cycle, delay, link and
// damage implement it.
type expectation interface {
	// arrived says how many packets arrived, and how many may.
	arrived(m measurement) string

	// details are further lines about the measurement.
	details(m measurement) []detail

	// judge lists how the measurement differs from what is allowed; nothing if it does not.
	judge(m measurement) []string

	// fair reports whether this machine was fast enough to tell what the device did.
	fair(m measurement) bool
}

// detail is one line about a measurement.
type detail struct{ label, text string }

// chance is the probability that a packet is relayed.
type chance float64

// allowed returns how many of the packets that reached the device may arrive.
func (c chance) allowed(m measurement) (lo, hi uint64) {
	return probe.Interval(m.reached(), float64(c), probe.Alpha)
}

func (c chance) arrived(m measurement) string {
	n := number(m.result.Received)
	lo, hi := c.allowed(m)
	if lo == hi {
		return fmt.Sprintf("%s; it must be %s exactly", n, number(lo))
	}
	return fmt.Sprintf("%s, %.2f %%; chance allows %s to %s", n,
		share(m.result.Received, m.result.Sent), number(lo), number(hi))
}

func (c chance) details(measurement) []detail { return nil }

func (c chance) judge(m measurement) []string {
	lo, hi := c.allowed(m)
	if n := uint64(m.result.Received); n >= lo && n <= hi {
		return nil
	}
	return []string{fmt.Sprintf("%s of %s arrived, chance allows %s to %s",
		number(m.result.Received), number(m.reached()), number(lo), number(hi))}
}

func (c chance) fair(measurement) bool { return true }

// delay is a policy that makes every packet wait for so long, and loses none.
type delay time.Duration

// slack is how much longer than its delay the median packet may be on the way: it wakes the
// device up, and passes the stacks of both hosts.
const slack = 2 * time.Millisecond

func (d delay) arrived(m measurement) string { return chance(1).arrived(m) }

func (d delay) details(m measurement) []detail {
	took := m.result.Took()
	return []detail{
		{"took", fmt.Sprintf("%s at least, %s in the median, %s for 99 %%",
			ms(probe.Quantile(took, 0)), ms(probe.Quantile(took, 0.5)), ms(probe.Quantile(took, 0.99)))},
		{"", fmt.Sprintf("allowed: never below %s, and at most %s in the median",
			ms(time.Duration(d)), ms(time.Duration(d)+slack))},
	}
}

func (d delay) judge(m measurement) []string {
	found := faults(chance(1).judge(m))
	took := m.result.Took()
	first, median := probe.Quantile(took, 0), probe.Quantile(took, 0.5)
	found.add(first < time.Duration(d), "a packet came %v too early", time.Duration(d)-first)
	found.add(median > time.Duration(d)+slack, "the median packet took %s, %s is allowed", ms(median), ms(time.Duration(d)+slack))
	return found
}

// fair: a machine that is busy delivers packets late, and never early.
func (d delay) fair(m measurement) bool {
	early := probe.Quantile(m.result.Took(), 0) < time.Duration(d)
	return early || m.result.LongestPause() <= tolerance
}
