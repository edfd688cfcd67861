package wire

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/lab/probe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// never is later than anything that happens in a probe.
const never = time.Duration(math.MaxInt64 / 2)

// manyCycles are enough cycles for a pause of the machine in one of them not to matter.
const manyCycles = 50

// TestTimeOnTheWire: "time ON OFF" begins with ON when it is set and changes between both
// at the right times. A packet was judged between its sending and the arrival of the next
// packet that arrives; the policy's epoch is within the request that set it. Conclusions
// from these two facts must hold for each packet on any machine. The distance from an edge
// depends on the load of the machine, so for edges only the median of many is checked
// (checkEdges).
func TestTimeOnTheWire(t *testing.T) {
	changeSides(t, testbed.New(t, api.PathRelay), []sides{
		{10 * time.Millisecond, 10 * time.Millisecond, 100},
		{time.Second, time.Second, 2},
	})
	changeSides(t, testbed.New(t, api.PathKernel), []sides{
		{10 * time.Millisecond, 10 * time.Millisecond, 100},
		{20 * time.Millisecond, 30 * time.Millisecond, 60},
		{100 * time.Millisecond, 900 * time.Millisecond, 2},
	})
}

// sides are ON and OFF of a policy, and the number of cycles to test.
type sides struct {
	on, off time.Duration
	cycles  int
}

func changeSides(t *testing.T, b *testbed.Bed, list []sides) {
	for _, tt := range list {
		t.Run(fmt.Sprintf("%v_%v", tt.on, tt.off), func(t *testing.T) {
			b.AwaitQuiet(t)
			before := b.Stats(t)
			w := setWave(t, b, tt.on, tt.off)
			r := runProbe(t, b, w, tt.cycles)
			w.moveTo(r)
			w.learnEpoch(t, r)
			w.checkEach(t, r)
			visible := w.checkEdges(t, r, tt.cycles)
			if tt.cycles >= manyCycles {
				w.checkDuty(t, r, visible)
			}
			labtest.CheckCounters(t, b.Stats(t))
			if n := b.Stats(t).Overruns - before.Overruns; n != 0 {
				t.Errorf("%d overruns", n)
			}
		})
	}
}

// wave is a policy "time ON OFF", as it can be observed from outside.
type wave struct {
	on, off   time.Duration
	asked     time.Time // the epoch is not earlier
	confirmed time.Time // and not later

	// The same two, from the start of a probe, and how far the clock of the
	// receiver's stamps strayed from the sender's meanwhile.
	from, to, slew time.Duration

	// Whether the kernel stamps packets before they are judged: those that the
	// kernel's path hands to the host keep the stamp of the slave.
	early bool
}

// judged is a time at which a packet that arrived had certainly been judged.
func (w *wave) judged(r *probe.Result, i int) time.Duration {
	if w.early {
		return r.ReadAt[i]
	}
	return r.ReceivedAt[i]
}

func (w *wave) cycle() time.Duration { return w.on + w.off }

// moveTo makes times relative to the start of a probe that has just ended.
func (w *wave) moveTo(r *probe.Result) {
	w.from, w.to = w.asked.Sub(r.Start), w.confirmed.Sub(r.Start)
	now := time.Now()
	w.slew = 50*time.Microsecond + (now.Round(0).Sub(r.Start.Round(0)) - now.Sub(r.Start)).Abs() // wall clock, monotonic clock
}

// learnEpoch narrows the interval that contains the epoch. Each time packets begin to
// arrive again, there is an edge between the sending of the last lost packet and the
// arrival of the first. All these edges must belong to one epoch.
func (w *wave) learnEpoch(t testing.TB, r *probe.Result) {
	t.Helper()
	for i := 1; i < len(r.SentAt); i++ {
		if !r.Arrived(i) || r.Arrived(i-1) {
			continue
		}
		before, after := r.SentAt[i-1], w.judged(r, i)+w.slew
		if after-before > min(w.on, w.off)/4 {
			continue // no process ran for a while; this might be another edge
		}
		edge := (before + (after-before)/2 - w.from + w.cycle()/2) / w.cycle() * w.cycle() // the nearest
		w.from, w.to = max(w.from, before-edge), min(w.to, after-edge)
		if w.from > w.to {
			t.Fatalf("packet %d: an edge between %v and %v does not fit the earlier ones: off by %v",
				i, before, after, w.from-w.to)
		}
	}
}

// setWave sets the policy, several times if necessary, until the epoch is known to a
// millisecond; on a slow machine the interval may be a little longer.
func setWave(t testing.TB, b *testbed.Bed, on, off time.Duration) *wave {
	t.Helper()
	w := &wave{on: on, off: off, early: b.Receiving() && b.Path != api.PathRelay}
	text := fmt.Sprintf("time %v %v", on, off)
	for limit := time.Millisecond; ; limit += limit / 20 {
		w.asked = time.Now()
		labtest.Set(t, b.Daemon, b.Change(text))
		w.confirmed = time.Now()
		if w.confirmed.Sub(w.asked) < limit {
			return w
		}
	}
}

// runProbe sends numbered packets for so many cycles and a little more.
func runProbe(t testing.TB, b *testbed.Bed, w *wave, cycles int) *probe.Result {
	t.Helper()
	const perSecond = 5000
	span := time.Duration(cycles)*w.cycle() + w.on
	r, err := probe.Probe{
		From: b.From, To: b.To, Address: b.IPv4, Rate: perSecond, Count: int(span * perSecond / time.Second),
		Settle: 100 * time.Millisecond,
	}.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r.Refused+r.Duplicates+r.Reordered+r.Strays+r.Overflowed != 0 {
		t.Fatalf("refused %d, duplicates %d, reordered %d, strays %d, overflowed %d",
			r.Refused, r.Duplicates, r.Reordered, r.Strays, r.Overflowed)
	}
	return r
}

// checkEach fails for a packet that arrived although it was certainly judged during OFF,
// and for a packet that was lost although it was certainly judged during ON.
func (w *wave) checkEach(t testing.TB, r *probe.Result) {
	t.Helper()
	judged := never      // the latest moment packet i can have been judged
	sure, wrong := 0, "" // packets that must arrive; the first that has the wrong verdict
	for i := len(r.SentAt) - 1; i >= 0; i-- {
		if r.Arrived(i) {
			judged = w.judged(r, i)
		}
		sent := r.SentAt[i]
		phase := (sent - w.to) % w.cycle() // the probe begins after the epoch
		left := judged - sent + (w.to - w.from) + w.slew
		switch {
		case phase < w.on-left:
			sure++
			if !r.Arrived(i) {
				wrong = fmt.Sprintf("packet %d was lost %v after the begin of ON", i, phase)
			}
		case phase >= w.on && phase < w.cycle()-left && r.Arrived(i):
			wrong = fmt.Sprintf("packet %d arrived %v after the begin of OFF", i, phase-w.on)
		}
	}
	if wrong != "" {
		t.Error(wrong)
	}
	t.Logf("epoch known to %v; %d of %d packets were in ON beyond doubt", w.to-w.from, sure, len(r.SentAt))
	if sure < len(r.SentAt)/100 {
		t.Errorf("only %d of %d packets were in ON beyond doubt", sure, len(r.SentAt))
	}
}

// checkEdges compares the times when packets begin and stop arriving with the expected
// times. Half of the edges must be right to a millisecond, or to the resolution that the
// machine allows: the median over all edges of the time from the last packet of one phase
// to the first packet of the next, including pauses of sender, relay and receiver. It
// returns that median. Packets after the last one that arrived do not count, because the
// latest time of their verdict is unknown. A probe on a busy machine takes longer and has
// more edges: at most one more than whole cycles.
func (w *wave) checkEdges(t testing.TB, r *probe.Result, cycles int) (visible time.Duration) {
	t.Helper()
	var rises, falls, gaps []time.Duration
	last, most := lastArrived(r), 0
	if last >= 0 {
		most = int((w.judged(r, last)+w.slew-r.SentAt[0])/w.cycle()) + 1
	}
	for i := 1; i <= last; i++ {
		switch {
		case r.Arrived(i) && !r.Arrived(i-1):
			rises = append(rises, w.distance(r.ReceivedAt[i], 0))
			gaps = append(gaps, r.ReceivedAt[i]-r.SentAt[i-1])
		case !r.Arrived(i) && r.Arrived(i-1):
			falls = append(falls, w.distance(r.SentAt[i], w.on))
		}
	}
	visible = median(gaps)
	for _, edges := range []struct {
		name   string
		errors []time.Duration
	}{{"rise", rises}, {"fall", falls}} {
		n, middle := len(edges.errors), median(edges.errors)
		t.Logf("%d edges that %s: error %v in the median, visible to %v", n, edges.name, middle, visible)
		if n < cycles-cycles/5-1 || n > most { // one is missed where the machine sleeps through a phase
			t.Errorf("%d edges that %s: in %d cycles there can be no more than %d", n, edges.name, cycles, most)
		}
		if cycles >= manyCycles && middle > max(time.Millisecond, visible) {
			t.Errorf("edges that %s are off by %v in the median", edges.name, middle)
		}
	}
	return visible
}

// lastArrived is the number of the last packet that arrived; -1 if none did.
func lastArrived(r *probe.Result) int {
	i := len(r.SentAt) - 1
	for i >= 0 && !r.Arrived(i) {
		i--
	}
	return i
}

// median sorts the list and returns its median; 0 if the list is empty.
func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[(len(list)-1)/2]
}

// distance returns how far a time is from the nearest edge; an edge is where the phase has
// the given value.
func (w *wave) distance(at, phase time.Duration) time.Duration {
	early := (at - w.from - phase) % w.cycle() // since the earliest place that the edge can have
	if early < 0 {
		early += w.cycle()
	}
	unsure := w.to - w.from
	if early <= unsure {
		return 0
	}
	return min(early-unsure, w.cycle()-early)
}

// checkDuty compares the share of the time in which packets arrive with the policy's. It
// evaluates parts of the cycle separately, because a delayed sender sends more in one part
// than in another. The result may differ by the visible width of an edge, and by 1 %.
func (w *wave) checkDuty(t testing.TB, r *probe.Result, visible time.Duration) {
	t.Helper()
	const parts = 50
	var sent, arrived [parts]float64
	for i, at := range r.SentAt {
		phase := (at - (w.from+w.to)/2) % w.cycle()
		part := phase * parts / w.cycle()
		sent[part]++
		if r.Arrived(i) {
			arrived[part]++
		}
	}
	got, want := 0.0, float64(w.on)/float64(w.cycle())
	for part := range sent {
		got += arrived[part] / sent[part] / parts
	}
	t.Logf("%.2f %% arrived, asked for %.2f %%", 100*got, 100*want)
	if limit := 0.01 + float64(visible)/float64(w.cycle()); !(math.Abs(got-want) < limit) { // as it is if nothing was sent in some part
		t.Errorf("%.2f %% arrived, asked for %.2f %%", 100*got, 100*want)
	}
}
