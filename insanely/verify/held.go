package verify

import (
	"math"
	"slices"
	"time"

	"github.com/seed-39a139a1/insane/insanely/verify/stat"
)

// clockError is how far apart the clocks of the two ends may be, in ns: the packet socket's time
// stamps are of another clock than those of the programs.
const clockError = 2_000

// least is the shortest delay that the stage can draw.
func (d *delay) least() int64 {
	if d.jitter == 0 {
		return d.time
	}
	return int64(d.shape.Draw(0, uint64(d.time), uint64(d.jitter)))
}

// most is the longest one.
func (d *delay) most() int64 {
	if d.jitter == 0 {
		return d.time
	}
	return int64(d.shape.Most(uint64(d.time), uint64(d.jitter)))
}

// delayLines judges how long packets wait. Never early is exact. How much later they leave is
// the machine's doing, so only the quickest of them shows a delay that is too long.
func (j *judge) delayLines() {
	if j.delay.text == "" {
		return
	}
	var waits []float64
	j.whole(func(p *Packet) { waits = append(waits, float64(p.Left-p.At)) })
	s := stat.Sorted(waits)
	if len(s) == 0 {
		j.add(Line{Stage: j.delay.text, Seen: "no packets", Verdict: Few, Need: 1})
		return
	}
	least := float64(j.delay.least())
	line := Line{
		Stage: j.delay.text, Asked: "≥ " + ns(j.delay.least()),
		Seen:    ns(int64(s[0])) + " / " + ns(int64(s.Quantile(0.5))) + " / " + ns(int64(s.Quantile(0.99))) + " (min/p50/p99)",
		Verdict: verdict(s[0] >= least-clockError),
	}
	// Other causes of waiting come on top.
	if j.delay.jitter == 0 && j.link.bits == 0 && j.reorder == 0 && len(j.unknown) == 0 && len(s) >= 20 {
		slowest := least + max(0.02*least, float64(j.seen.Late))
		if s[0] > slowest {
			line.Verdict = Differs
		}
	}
	j.add(line.few(uint64(len(s)), 20))
	if j.delay.jitter > 0 {
		j.drawn(s)
	}
}

// drawn judges the distribution of the delays that were drawn, where it can be seen: the wait is
// what was drawn unless something else makes packets wait.
func (j *judge) drawn(waits stat.Sample) {
	d := &j.delay
	switch {
	case j.link.bits > 0 || j.reorder > 0 || len(j.unknown) > 0:
		j.skip(d.text, "the jitter, as other stages make packets wait as well")
		return
	case j.duplicate > 0:
		j.skip(d.text, "the jitter, as copies draw as well")
		return
	case d.slice == 0 && !d.reordering:
		j.skip(d.text, "the jitter, as packets wait for those before them")
		return
	case d.slice > 0:
		waits = j.slices()
	}
	mean, spread := d.shape.Moments(uint64(d.time), uint64(d.jitter))
	m, sd := float64(mean), float64(spread)
	got, gotSpread := waits.Moments()
	// Draws that are kept say less.
	n := float64(len(waits)) * (1 - d.keep) / (1 + d.keep)
	width, late := stat.Width(n, sd), float64(j.seen.Late)
	if j.seen.Busy {
		late = math.Inf(1)
		j.notes = append(j.notes, "packets left so late, as the device says itself, that longer delays than asked for are not judged")
	}
	apart := waits.Beyond(cdf(d), late+clockError)
	line := Line{
		Stage: d.text, Asked: ns(int64(mean)) + " ± " + ns(int64(spread)),
		Seen:     ns(int64(got)) + " ± " + ns(int64(gotSpread)) + " of " + count(uint64(len(waits))) + " draws",
		Interval: ns(int64(max(0, got-width))) + " … " + ns(int64(got+width)),
		Verdict:  verdict(got >= m-width-clockError && got <= m+width+late && apart <= stat.Distance(n)),
	}
	j.add(line.few(uint64(len(waits)), uint64(float64(stat.NeedMean(sd, 0.02*m))*(1+d.keep)/(1-d.keep))))
}

// cdf returns the distribution function of the delays: how much of the draws is at most x.
func cdf(d *delay) func(x float64) float64 {
	return func(x float64) float64 {
		low, high := uint64(0), uint64(math.MaxUint64) // draws grow with the random number
		if x < float64(d.least()) {
			return 0
		}
		if x >= float64(d.most()) {
			return 1
		}
		for range 40 {
			middle := low + (high-low)/2
			if float64(d.shape.Draw(middle, uint64(d.time), uint64(d.jitter))) <= x {
				low = middle
			} else {
				high = middle
			}
		}
		return float64(low) / float64(math.MaxUint64)
	}
}

// slices returns one wait of each slice of time. When slices begin is not known: of several
// guesses, the one with the shortest waits is right, as in the first part of a slice packets may
// wait for those of the slice before.
func (j *judge) slices() stat.Sample {
	const guesses = 8
	best, sum := stat.Sample(nil), math.Inf(1)
	for g := range int64(guesses) {
		list, total := j.sampled(g * j.delay.slice / guesses)
		if len(list) == 0 {
			continue
		}
		if mean := total / float64(len(list)); mean < sum {
			best, sum = list, mean
		}
	}
	return stat.Sorted(best)
}

// sampled returns the wait of the first packet at or after each of these moments, which are a
// slice apart, if it is within an eighth of a slice.
func (j *judge) sampled(offset int64) (list []float64, total float64) {
	slice := j.delay.slice
	next := int64(math.MinInt64)
	j.whole(func(p *Packet) {
		if p.At < next {
			return
		}
		at := (p.At-offset)/slice*slice + offset // the moment before
		next = at + slice
		if p.At-at < slice/8 {
			list = append(list, float64(p.Left-p.At))
			total += float64(p.Left - p.At)
		}
	})
	return list, total
}

// orderLines judges the order in which packets leave.
func (j *judge) orderLines() {
	switch {
	case j.reorder > 0 && !j.delay.reordering:
		j.reordered()
	case j.reorder > 0 || j.delay.reordering:
	default:
		j.inOrder()
	}
}

// together is how close packets of one flow may come in so that nobody can say which was first.
const together = 200 * time.Microsecond

// inOrder judges that no packet overtakes one of its flow.
func (j *judge) inOrder() {
	out := j.leaving()
	last := make(map[uint32]int64, 16)
	overtaken := uint64(0)
	for _, i := range out {
		p := &j.trace[i]
		if p.At < last[p.Flow]-together.Nanoseconds() {
			overtaken++
		}
		last[p.Flow] = max(last[p.Flow], p.At)
	}
	n := uint64(len(out))
	j.add(Line{Stage: "order", Asked: "kept", Seen: of(overtaken, n) + " overtaken", Verdict: verdict(overtaken == 0)}.few(n, 2))
}

// leaving returns the packets that are known for sure in the order in which they left.
func (j *judge) leaving() (out []int) {
	for i := range j.trace {
		if p := &j.trace[i]; p.Out > 0 && !p.Alike {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int { return int(j.trace[a].Rank) - int(j.trace[b].Rank) })
	return out
}

// reordered judges how many packets leave behind later ones, and behind how many.
func (j *judge) reordered() {
	out := j.leaving()
	var late, near uint64
	last := -1
	for at, i := range out {
		if i > last {
			last = i
			continue
		}
		late++
		behind := 0
		for back := at - 1; back >= 0 && back >= at-4*j.by-64; back-- {
			if out[back] > i {
				behind++
			}
		}
		p := &j.trace[i]
		followed := i+4*j.by < len(j.trace) // by packets of the trace
		if followed && behind < j.by && p.Left-p.At < j.delay.time+int64(giveUp) {
			near++
		}
	}
	n := uint64(len(out))
	line := j.share("reorder", j.reorder, late, n, "leave later")
	if near > n/1000+1 {
		line.Interval, line.Verdict = count(near)+" behind less than "+count(uint64(j.by)), Differs
	}
	j.add(line)
}

// giveUp is how long a packet waits for later ones at most.
const giveUp = 95 * time.Millisecond
