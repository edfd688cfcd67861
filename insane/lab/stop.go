package lab

import (
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
	payload     int // of each packet, in bytes; 0 means that of a probe

	// witness says that each packet is compared with what was sent. Its size must differ from
	// the bystander's.
	witness bool

	expect expectation
}

// slowLink is the link of the tour.
var slowLink = link{rate: 1e6, queue: 200 * time.Millisecond, frame: 500}

// stops returns the whole tour. At the given rates it takes about 17 s.
func stops() []stop {
	return []stop{{
		title: "A plain wire", policy: "pass",
		asked: "everything is relayed",
		count: 5_000, rate: 10_000, expect: chance(1),
	}, {
		title: "Four out of five", policy: "percent 80",
		asked: "80 % is relayed, the rest is lost",
		count: 20_000, rate: 10_000, expect: chance(0.8),
	}, {
		title: "One in three", policy: "percent 33.3",
		asked: "33.3 % is relayed; decimals count",
		count: 10_000, rate: 10_000, expect: chance(0.333),
	}, {
		title: "A cut cable", policy: "percent 0",
		asked: "nothing is relayed, and borea is not told",
		count: 5_000, rate: 10_000, expect: chance(0),
	}, {
		title: "A loose contact", policy: "time 200ms 100ms",
		asked: "200 ms of everything, 100 ms of nothing, and so on",
		count: 6_000, rate: 2_000, expect: cycle{on: 200 * time.Millisecond, off: 100 * time.Millisecond},
	}, {
		title: "A long way", policy: "delay 50ms",
		asked: "everything comes 50 ms later, nothing earlier",
		count: 400, rate: 1_000, expect: delay(50 * time.Millisecond),
	}, {
		title: "A slow link", policy: "rate 1mbit queue 200ms",
		asked: "1 Mbit/s, and what would wait for more than 200 ms is lost",
		count: 750, rate: 500, payload: slowLink.frame - etherOverhead, expect: slowLink,
	}, {
		title: "A noisy cable", policy: "corrupt 10",
		asked: "one bit is flipped in each of 10 % of the packets",
		count: 4_000, rate: 10_000, payload: 200, witness: true, expect: damage(0.1),
	}, {
		title: "The same for IPv6", policy: "percent 50",
		asked: "50 % is relayed",
		count: 10_000, rate: 10_000, expect: chance(0.5), ipv6: true,
	}, {
		title: "The other way", policy: "percent 60", rx: true,
		asked: "60 % of what morgana sends gets through to borea",
		count: 10_000, rate: 10_000, expect: chance(0.6),
	}, {
		title: "A long way back", policy: "delay 20ms", rx: true,
		asked: "everything that morgana sends comes 20 ms later",
		count: 400, rate: 1_000, expect: delay(20 * time.Millisecond),
	}, {
		title: "Noise on the way back", policy: "corrupt 20", rx: true,
		asked: "one bit is flipped in each of 20 % of what morgana sends",
		count: 4_000, rate: 10_000, payload: 200, witness: true, expect: damage(0.2),
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
	p := probe.Probe{From: from, To: to, Source: from.IPv4, Address: to.IPv4, Count: s.count, Rate: s.rate, Payload: s.payload}
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

// arrivesAt returns the link at which the packets arrive that have passed the device.
func (s stop) arrivesAt(device string) string {
	if s.rx {
		return device
	}
	return Link
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
	switch s.expect.(type) {
	case link:
		return s // only what is faster than the link fills the queue
	case cycle, delay:
		s.count /= 2 // keep the duration; otherwise fewer cycles would be seen
	}
	s.rate /= 2
	return s
}

// unfair reports whether a measurement with a fault says nothing about the device, because
// the machine was too busy.
func (s stop) unfair(m measurement) bool {
	return (!s.expect.fair(m) || !m.lossless()) && len(s.judge(m)) > 0
}

// judge lists how a measurement differs from the expected result; nothing if it does not.
func (s stop) judge(m measurement) []string { return append(m.judge(), s.expect.judge(m)...) }
