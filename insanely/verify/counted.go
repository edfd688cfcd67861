package verify

import (
	"math"
	"slices"
	"time"

	"github.com/seed-39a139a1/insane/insanely/verify/stat"
)

// swapped is how many losses may be out of place, because packets that two processors send at
// once may have numbers in another order than the witness saw them in.
const swapped = 1

// byCount judges losses that are counted: of so many packets in a row, so many are lost.
func (j *judge) byCount(hit []bool, lost uint64) {
	stage, n := &j.losses[0], uint64(len(hit))
	k, of := float64(stage.lost), float64(stage.of)
	inBlock := 0.0 // how far the losses of a block may run ahead or lag behind
	if !stage.even {
		inBlock = 2 * k * (of - k) / of
	}
	apart := discrepancy(hit, k/of)
	most := inBlock + 1 + swapped
	line := Line{
		Stage: stage.text, Asked: count(stage.lost) + " of each " + count(stage.of) + " lost", Seen: shareOf(lost, n),
		Interval: "off by " + decimal(apart) + " of " + decimal(most),
		Verdict:  verdict(apart <= most),
	}
	if stage.lost == 0 || stage.lost == stage.of {
		line.Interval, line.Verdict = "", verdict(stat.Fits(lost, n, k/of))
	} else if j.alike > 0 || j.seen.Guessed > 0 {
		few := 2*most + float64(j.alike+j.seen.Guessed)
		line.Interval, line.Verdict = "", verdict(math.Abs(float64(lost)-float64(n)*k/of) <= few)
	}
	j.add(line.few(n, uint64(math.Ceil(most/(0.02*k/of+1e-12)))))
}

// discrepancy returns the range of the number of losses less the expected one, over all
// beginnings of a list.
func discrepancy(hit []bool, rate float64) float64 {
	at, low, high := 0.0, 0.0, 0.0
	for _, h := range hit {
		if h {
			at++
		}
		at -= rate
		low, high = min(low, at), max(high, at)
	}
	return high - low
}

// byList judges the losses of a list of numbers, counted from the change of the policy.
func (j *judge) byList(hit []bool, lost uint64) {
	stage, n := &j.losses[0], uint64(len(hit))
	first := j.seen.First + 1
	want := within(stage.list, first, first+n-1)
	if n == 0 {
		want = 0
	}
	unsure := within(stage.list, first-min(first-1, j.seen.Unsure), first+j.seen.Unsure) +
		within(stage.list, first+n-min(first+n-1, j.seen.Unsure), first+n+j.seen.Unsure)
	if j.seen.Unsure == 0 {
		unsure = 0
	}
	j.add(Line{
		Stage: stage.text, Asked: count(want) + " of packets " + count(first) + " to " + count(first+n) + " lost",
		Seen: of(lost, n), Verdict: verdict(near(lost, want, unsure)),
	}.few(n, 1))
}

// phaseSlack is how much later than the witness the device may handle a packet.
const phaseSlack = 10 * time.Millisecond

// byPhase judges losses that come and go with the time: all are lost in a part of the cycle, and
// none in the rest. When the cycle began is not known, so it is where the losses say.
func (j *judge) byPhase(hit []bool) {
	stage, cycle := &j.losses[0], j.losses[0].cycle
	off := cycle - stage.on
	var lost, passed []int64
	for i, h := range hit {
		if at := j.trace[i].At % cycle; h {
			lost = append(lost, at)
		} else {
			passed = append(passed, at)
		}
	}
	down, up := arc(lost, cycle), arc(passed, cycle)
	slack := phaseSlack.Nanoseconds()
	ok := down <= off+slack && up <= stage.on+slack
	if stage.on == 0 || off == 0 {
		ok = off == 0 && len(lost) == 0 || stage.on == 0 && len(passed) == 0
	}
	line := Line{
		Stage: stage.text, Asked: "down for " + ns(off) + " of " + ns(cycle),
		Seen: "down for " + ns(down) + ", up for " + ns(up), Verdict: verdict(ok),
	}
	// Where phases end is known as well as packets are close; and each should be seen.
	need := uint64(math.Ceil(float64(cycle) / float64(max(1, min(stage.on, off))) * 100))
	watched := int64(0)
	if n := len(j.trace); n > 0 {
		watched = j.trace[n-1].At - j.trace[0].At
	}
	if watched < cycle && ok {
		line.Verdict, line.Interval = Few, "watch for "+ns(2*cycle)+" at least"
		j.add(line)
		return
	}
	j.add(line.few(uint64(len(hit)), need))
}

// arc returns the length of the shortest part of a circle that has all the points.
func arc(points []int64, circle int64) int64 {
	if len(points) == 0 {
		return 0
	}
	slices.Sort(points)
	gap := points[0] + circle - points[len(points)-1]
	for i := 1; i < len(points); i++ {
		gap = max(gap, points[i]-points[i-1])
	}
	return circle - gap
}

// several judges the share that several stages lose together, less what the queue of a link
// loses, of which only the device's own counter knows.
func (j *judge) several(lost, n uint64) {
	pass, weight, run := 1.0, 1.0, 1.0
	text := ""
	for i := range j.losses {
		if j.losses[i].kind == listed || j.losses[i].kind == phases {
			j.skip(j.losses[i].text, "beside other stages that lose packets")
			continue
		}
		law := j.losses[i].law()
		pass *= 1 - law.Share
		weight, run = max(weight, law.Weight), max(run, law.Run)
		text = joined(text, j.losses[i].text)
	}
	for i := range j.losses {
		if k := j.losses[i].kind; k == listed || k == phases {
			return
		}
	}
	law := stat.Law{Share: 1 - pass, Weight: weight, Run: run}
	lost -= min(lost, j.seen.Queue)
	seen := float64(lost) / float64(max(1, n))
	unsure := float64(j.seen.Unsure) / float64(max(1, n))
	if j.seen.Queue == 0 {
		unsure = 0
	}
	width := law.Width(n) + unsure
	line := Line{
		Stage: text, Asked: share(law.Share) + " lost", Seen: shareOf(lost, n),
		Interval: interval(max(0, seen-width), min(1, seen+width)),
		Verdict:  verdict(math.Abs(seen-law.Share) <= width),
	}
	if law.Share <= 0 || law.Share >= 1 {
		line.Interval, line.Verdict = "", verdict(math.Abs(seen-law.Share) <= unsure)
	}
	if j.seen.Queue > 0 {
		line.Seen += ", " + count(j.seen.Queue) + " more by the queue"
	}
	j.add(line.few(n, law.Need(stat.Tolerated(law.Share))))
}
