package lab

import (
	"fmt"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// link is a policy with a rate and a queue, for a probe that sends faster than that.
type link struct {
	rate  float64       // bits per second, of Ethernet frames
	queue time.Duration // the longest wait for the link
	frame int           // bytes of each packet of the probe, from its Ethernet header on
}

// The shares by which a measurement of a link may be off. The rate is the median over spans of time of this
// length, after the queue has become full.
const (
	rateSlack = 0.02
	waitSlack = 0.10
	rateSpan  = time.Second
)

// etherOverhead is how many bytes an Ethernet frame has beside the payload of UDP over IPv4.
const etherOverhead = 14 + 20 + 8

// bits is the size of one packet in bits.
func (l link) bits() float64 { return float64(8 * l.frame) }

// rateOf returns the rate at which packets arrived, in bits per second.
func (l link) rateOf(m measurement) float64 {
	return m.result.ArrivalRate(l.full(), rateSpan) * l.bits()
}

// full is when the queue is full, if the probe sends twice as fast as the link: each packet that
// the link carries leaves one in the queue.
func (l link) full() time.Duration { return l.queue + l.queue/4 }

// waited returns the median time that packets took which were sent when the queue was full.
func (l link) waited(m measurement) time.Duration {
	var took []time.Duration
	for i, at := range m.result.SentAt {
		if at >= l.full() && m.result.Arrived(i) {
			took = append(took, m.result.ReceivedAt[i]-at)
		}
	}
	return probe.Quantile(took, 0.5)
}

// bounds returns what is allowed around a value.
func bounds(value, slack float64) (lo, hi float64) { return value * (1 - slack), value * (1 + slack) }

func (l link) arrived(m measurement) string {
	return fmt.Sprintf("%s; the queue of the link lost %s", number(m.result.Received), number(m.counters.queued))
}

func (l link) details(m measurement) []detail {
	const mbit = 1e6
	offered := float64(m.result.Sent-1) * l.bits() / max(m.result.Duration(), 1).Seconds()
	lo, hi := bounds(l.rate/mbit, rateSlack)
	shortest, longest := bounds(float64(l.queue), waitSlack)
	return []detail{
		{"rate", fmt.Sprintf("%.3f Mbit/s of %.3f that were sent; allowed: %.3f to %.3f",
			l.rateOf(m)/mbit, offered/mbit, lo, hi)},
		{"", fmt.Sprintf("(the median over %v each, after the first %v)", rateSpan, l.full())},
		{"took", fmt.Sprintf("%s in the median, behind a full queue; allowed: %s to %s",
			ms(l.waited(m)), ms(time.Duration(shortest)), ms(time.Duration(longest)))},
	}
}

func (l link) judge(m measurement) []string {
	var found faults
	rate := l.rateOf(m)
	lo, hi := bounds(l.rate, rateSlack)
	found.add(rate < lo || rate > hi, "the link had %.3f Mbit/s, %.1f %% off", rate/1e6, 100*(rate/l.rate-1))
	waited := l.waited(m)
	lo, hi = bounds(float64(l.queue), waitSlack)
	found.add(float64(waited) < lo || float64(waited) > hi, "packets took %s behind a full queue", ms(waited))
	found.add(m.counters.queued != m.counters.dropped, "%s lost, but not by the queue",
		packets(int64(m.counters.dropped)-int64(m.counters.queued)))
	found.add(m.counters.queued == 0, "the queue lost nothing")
	return found
}

// fair: the queue was never empty.
func (l link) fair(m measurement) bool { return m.result.LongestPause() <= l.queue/2 }
