package hold

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/dist/disttest"
)

// The delay and the jitter that TestJitterSpread asks for, in nanoseconds.
const (
	spreadMean   = 40e6
	spreadJitter = 10e6
)

// TestJitterSpread: what arrives has the spread that was asked for. Each packet is compared with
// when it would come on a machine that is never late, which follows from the draws and from when
// it was sent; the variance of the difference is the machine's and is subtracted. The long form
// measures 100,000 packets each, and jitter by slices, too.
func TestJitterSpread(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	packets, words := 2000, []string{" each", " reordering"}
	if testbed.Long(t) && !testbed.Race {
		packets, words = testbed.EnvInt(t, "INSANE_PACKETS", 100_000), append(words, "")
	}
	for _, shape := range []string{"uniform", "normal", "pareto", "paretonormal"} {
		for _, word := range words {
			text := "delay 40ms jitter 10ms " + shape + word
			t.Run(text, func(t *testing.T) {
				s := newStream(t, b, 64)
				program, _ := b.Begin(t, text, 17)
				began := time.Now()
				list, lost := s.flow(t, 10, testbed.UnderWay, func() bool { return len(s.sent) < packets })
				if lost > 0 {
					t.Fatalf("%d packets found no room", lost)
				}
				d := s.delays(t, list, program, began)
				if !d.check(t) {
					return
				}
				if program.Reorders() { // to wait for others changes the distribution
					d.checkShape(t, shape)
				}
			})
		}
	}
}

// delays are those of packets, in nanoseconds, in the order of their numbers.
type delays struct {
	took, drawn []float64 // what they took, and what they would have without being late
	late        []float64 // the difference
	stalled     float64   // the share of them that were more than a millisecond late
}

// delays compares packets with a program that was set at a moment.
func (s *stream) delays(t *testing.T, list []arrival, p *policy.Program, began time.Time) (d delays) {
	t.Helper()
	d.took = make([]float64, len(list))
	for _, a := range list {
		d.took[a.number] = float64(a.at.Sub(s.sent[a.number]))
	}
	var last time.Time // the latest that was due
	for n, sent := range s.sent {
		due := sent.Add(time.Duration(p.Decide(policy.Time(sent.Sub(began)), uint64(n)).Delay))
		if due.Before(last) && !p.Reorders() {
			due = last
		}
		last = due
		late := d.took[n] - float64(due.Sub(sent))
		if late < 0 && p.DelaySlice == 0 { // when a slice begins is known to a millisecond only
			t.Errorf("packet %d was %v early", n, time.Duration(-late))
		}
		if late > float64(time.Millisecond) {
			d.stalled += 1 / float64(len(list))
		}
		d.drawn, d.late = append(d.drawn, float64(due.Sub(sent))), append(d.late, late)
	}
	return d
}

// spread is the standard deviation of what packets took, without that of the machine.
func (d delays) spread() float64 {
	_, sd := moments(d.took)
	_, own := moments(d.late)
	return math.Sqrt(max(0, sd*sd-own*own))
}

// excuse is how much less of the spread is left because a machine that stalls lets go of packets
// at one moment that were due at several.
func (d delays) excuse() float64 { return 2 * d.stalled }

// margin is how far the spread may be off: 2 %, or 5 % of few packets.
func (d delays) margin() float64 {
	if len(d.took) < 100_000 {
		return 0.05
	}
	return 0.02
}

// check fails if the spread is not that of the draws. It returns false if that cannot be told in the
// short form: what the machine adds depends on the draws as soon as it stalls for long.
func (d delays) check(t *testing.T) bool {
	t.Helper()
	mean, all := moments(d.took)
	drawnMean, drawn := moments(d.drawn)
	late, own := moments(d.late)
	t.Logf("%d packets took %.3f ms with a spread of %.3f; drawn, and waited for order, %.3f and %.3f; %.3f and %.3f late",
		len(d.took), mean/1e6, all/1e6, drawnMean/1e6, drawn/1e6, late/1e6, own/1e6)
	if own > drawn/10 && !testbed.Long(t) {
		return false
	}
	if got := d.spread(); math.Abs(got/drawn-1) > d.margin()+d.excuse() {
		t.Errorf("the spread is %.3f ms, want %.3f; %.1f %% were stalled", got/1e6, drawn/1e6, 100*d.stalled)
	}
	return true
}

// checkShape fails if the delays are not those of the distribution that was asked for: if the
// standard deviation is off by more than 2 % and more than chance explains, or the distribution
// function by more than 0.02 and more than chance explains.
func (d delays) checkShape(t *testing.T, shape string) {
	t.Helper()
	n := float64(len(d.took))
	unit, fourth := unitMoments(shape)
	chance := 4.42 * math.Sqrt((fourth-1)/4/n) // once in 10⁵ times
	if got := d.spread() / spreadJitter; math.Abs(got/unit-1) > max(0.02, chance)+d.excuse() {
		t.Errorf("the spread is %.4f of the jitter, want %.4f", got, unit)
	}
	usual := slices.Sorted(slices.Values(d.late))[len(d.late)/2]
	took := slices.Sorted(slices.Values(d.took))
	worst := 0.0
	for q := 0.001; q < 1; q += 0.001 {
		below, _ := slices.BinarySearch(took, usual+spreadMean+spreadJitter*disttest.Quantile(shape, q, 1-q))
		worst = max(worst, math.Abs(float64(below)/n-q))
	}
	t.Logf("distance of the distributions %.4f", worst)
	if worst > max(0.02, 2.5/math.Sqrt(n))+d.excuse() {
		t.Errorf("the distribution functions differ by %.4f", worst)
	}
}

// moments are the mean and the standard deviation.
func moments(list []float64) (mean, sd float64) {
	for _, x := range list {
		mean += x / float64(len(list))
	}
	for _, x := range list {
		sd += (x - mean) * (x - mean) / float64(len(list))
	}
	return mean, math.Sqrt(sd)
}

// unitMoments are the standard deviation of a shape whose spread is 1, and its fourth central
// moment in units of it.
func unitMoments(shape string) (sd, fourth float64) {
	const points = 1 << 18
	for i := range points {
		q := (float64(i) + 0.5) / points
		x := disttest.Quantile(shape, q, 1-q)
		sd += x * x / points
		fourth += x * x * x * x / points
	}
	return math.Sqrt(sd), fourth / (sd * sd)
}
