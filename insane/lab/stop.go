package lab

import (
	"fmt"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// bystanderRate is the rate of a bystander, in packets per second. A bystander is traffic
// that must not pass the device.
const bystanderRate = 500

// stop is one station of the story: a policy, a probe under that policy, and the result to
// expect.
type stop struct {
	title  string
	policy string
	asked  string // the policy in words
	rx     bool   // the policy is for receiving, and morgana sends
	ipv6   bool   // use the IPv6 addresses

	count, rate int // of the probe: packets, and packets per second

	// chance is the probability that a packet is relayed; unused if cycle is set.
	chance float64
	cycle  cycle
}

// stops returns the whole tour. At the given rates it takes about 12 s.
func stops() []stop {
	return []stop{{
		title: "A plain wire", policy: "pass",
		asked: "everything is relayed",
		count: 5_000, rate: 10_000, chance: 1,
	}, {
		title: "Four out of five", policy: "percent 80",
		asked: "80 % is relayed, the rest is lost",
		count: 20_000, rate: 10_000, chance: 0.8,
	}, {
		title: "One in three", policy: "percent 33.3",
		asked: "33.3 % is relayed; decimals count",
		count: 10_000, rate: 10_000, chance: 0.333,
	}, {
		title: "A cut cable", policy: "percent 0",
		asked: "nothing is relayed, and borea is not told",
		count: 5_000, rate: 10_000, chance: 0,
	}, {
		title: "A loose contact", policy: "time 200ms 100ms",
		asked: "200 ms of everything, 100 ms of nothing, and so on",
		count: 6_000, rate: 2_000, cycle: cycle{on: 200 * time.Millisecond, off: 100 * time.Millisecond},
	}, {
		title: "The same for IPv6", policy: "percent 50",
		asked: "50 % is relayed",
		count: 10_000, rate: 10_000, chance: 0.5, ipv6: true,
	}, {
		title: "The other way", policy: "percent 60", rx: true,
		asked: "60 % of what morgana sends gets through to borea",
		count: 10_000, rate: 10_000, chance: 0.6,
	}}
}

// command returns what a user types after "insanely" and the slave to set the policy.
func (s stop) command() string {
	if s.rx {
		return "rx " + s.policy
	}
	return s.policy
}

// change returns the same request for the control socket. The policy of the other direction
// stays.
func (s stop) change() api.Change {
	link := Link
	if s.rx {
		return api.Change{Slave: &link, RX: &s.policy}
	}
	return api.Change{Slave: &link, TX: &s.policy}
}

// stats returns the counters of the direction that the stop tests.
func (s stop) stats(info api.Info) api.Stats {
	if s.rx {
		return info.RX.Stats
	}
	return info.TX.Stats
}

// probe returns the probe of this stop.
func (s stop) probe(l *Lab) probe.Probe {
	from, to := s.ends(l)
	p := probe.Probe{From: from, To: to, Source: from.IPv4, Address: to.IPv4, Count: s.count, Rate: s.rate}
	if s.ipv6 {
		p.Source, p.Address = from.IPv6, to.IPv6
	}
	return p
}

// ends returns the sending and the receiving host of the probe.
func (s stop) ends(l *Lab) (from, to *Host) {
	if s.rx {
		return l.Morgana, l.Borea
	}
	return l.Borea, l.Morgana
}

// bystander returns a probe in the same direction and of the same duration. Its address in
// morgana is the one that is not routed through the device.
func (s stop) bystander(l *Lab) probe.Probe {
	p := stop{rx: s.rx, count: max(1, s.count*bystanderRate/s.rate), rate: bystanderRate}.probe(l)
	if s.rx {
		p.Source = l.Morgana.SpareIPv4
	} else {
		p.Address = l.Morgana.SpareIPv4
	}
	return p
}

// slower returns the stop for a machine that was too busy for it.
func (s stop) slower() stop {
	s.rate /= 2
	if s.timed() {
		s.count /= 2 // keep the duration; otherwise fewer cycles would be seen
	}
	return s
}

func (s stop) timed() bool { return s.cycle != cycle{} }

// unfair reports whether a measurement with a fault says nothing about the device, because
// the machine was too busy.
func (s stop) unfair(m measurement) bool {
	late := s.timed() && !s.cycle.prompt(m)
	return (late || !m.lossless()) && len(s.judge(m)) > 0
}

// judge lists how a measurement differs from the expected result; nothing if it does not.
func (s stop) judge(m measurement) []string {
	faults := m.judge()
	if s.timed() {
		return append(faults, s.cycle.judge(m)...)
	}
	if lo, hi := s.allowed(m); uint64(m.result.Received) < lo || uint64(m.result.Received) > hi {
		faults = append(faults, fmt.Sprintf("%s of %s arrived, chance allows %s to %s",
			number(m.result.Received), number(m.reached()), number(lo), number(hi)))
	}
	return faults
}

// allowed returns how many of the packets that reached the device may arrive.
func (s stop) allowed(m measurement) (lo, hi uint64) {
	return probe.Interval(m.reached(), s.chance, probe.Alpha)
}
