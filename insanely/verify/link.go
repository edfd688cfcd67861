package verify

import (
	"math"
	"slices"
	"time"

	"github.com/seed-39a139a1/insane/insanely/verify/stat"
)

// The bounds of a link's judgement.
const (
	fullFor   = time.Second            // how long the link must have had a queue
	rateError = 0.01                   // that is tolerated of the rate
	moment    = 5 * time.Millisecond   // by which the ends of that time may be off
	waiting   = 200 * time.Microsecond // a longer wait is one for the link
)

// linkLines judges the rate of a link, and how long its queue makes packets wait.
func (j *judge) linkLines() {
	if j.link.bits == 0 {
		return
	}
	if j.delay.jitter > 0 || len(j.unknown) > 0 || j.reorder > 0 {
		j.skip(j.link.rateText, "as other stages move packets in time")
		return
	}
	out := j.leaving()
	slices.SortStableFunc(out, func(a, b int) int { return int(j.trace[a].At - j.trace[b].At) })
	var bits, longest float64 // of the longest time with a queue
	var sum float64
	begin := -1
	for k, i := range out {
		p := &j.trace[i]
		full := p.Left-p.At-j.delay.time > waiting.Nanoseconds()+int64(j.link.takes(p.Bytes)/j.link.bits*1e9)
		if !full || begin < 0 {
			begin, sum = k, 0 // the first packet ends when time begins
			continue
		}
		sum += j.link.takes(p.Bytes) * float64(p.Out)
		if took := float64(p.Left - j.trace[out[begin]].Left); took > longest {
			longest, bits = took, sum
		}
	}
	line := Line{Stage: j.link.rateText, Asked: rate(j.link.bits), Seen: "never full"}
	seconds := longest / 1e9
	if seconds > 0 {
		line.Seen = rate(bits/seconds) + " while full, for " + ns(int64(longest))
		most := rateError + moment.Seconds()/seconds
		line.Interval = "± " + share(most)
		line.Verdict = verdict(math.Abs(bits/seconds/j.link.bits-1) <= most)
	}
	if seconds < fullFor.Seconds() {
		line.Verdict, line.Interval = Few, "keep it full for "+ns(fullFor.Nanoseconds())+" at least"
	}
	line.Packets = uint64(len(out))
	j.add(line)
	j.queueLine()
}

// bound returns the longest wait for the link, in ns, beside a packet of this size.
func (l *link) bound(bytes uint32) float64 {
	one := l.takes(bytes) / l.bits * 1e9
	switch {
	case l.packets > 0:
		return float64(l.packets) * one
	case l.bytes > 0:
		return 8 * float64(l.bytes) / l.bits * 1e9
	}
	return float64(l.longest)
}

// queueLine judges the queue: packets in front of those that find it full have waited as long as
// it allows.
func (j *judge) queueLine() {
	if len(j.losses) > 0 {
		return // then nobody can say which packets found it full
	}
	var waits []float64
	packet := 0.0 // the longest time of one on the link
	want := 0.0
	for i := 1; i < len(j.trace); i++ {
		p, next := &j.trace[i-1], &j.trace[i]
		if p.Out == 0 || p.Alike || next.Out > 0 {
			continue
		}
		one := j.link.takes(p.Bytes) / j.link.bits * 1e9
		packet = max(packet, one)
		want += j.link.bound(p.Bytes)
		waits = append(waits, float64(p.Left-p.At-j.delay.time))
	}
	if len(waits) == 0 {
		return
	}
	want /= float64(len(waits))
	s := stat.Sorted(waits)
	half := s.Quantile(0.5)
	slack := 2*packet + 0.01*want
	text := j.link.waiting
	if text == "" {
		text = "queue " + ns(j.link.longest)
	}
	j.add(Line{
		Stage: text, Asked: ns(int64(want)) + " when full", Seen: ns(int64(half)) + " (p50)",
		Interval: "± " + ns(int64(slack+float64(j.seen.Late))),
		Verdict:  verdict(half >= want-slack-clockError && (j.seen.Busy || half <= want+slack+float64(j.seen.Late))),
	}.few(uint64(len(waits)), 20))
}
