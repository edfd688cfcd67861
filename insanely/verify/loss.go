package verify

import (
	"strconv"
	"strings"

	"github.com/seed-39a139a1/insane/insanely/verify/stat"
	"github.com/seed-39a139a1/insane/policy/unit"
)

// readLoss reads a stage that loses packets.
func readLoss(name string, w words, text string) loss {
	l := loss{text: text}
	switch name {
	case "percent":
		lost := 1 - w.share()
		l.chain = stat.Chain{Step: [][]float64{{1}}, Lost: []float64{lost}}
		if w.named("run") && lost > 0 && lost < 1 {
			run, _ := unit.ParseMean(w.take())
			length := float64(run) / float64(unit.One)
			l.chain = stat.Two(lost/(length*(1-lost)), 1/length, 0, 1)
		}
	case "gemodel":
		p := w.share()
		r, inBad, inGood := 1-p, 1.0, 0.0
		for _, argument := range []*float64{&r, &inBad, &inGood} {
			if len(w) > 0 {
				*argument = w.share()
			}
		}
		l.chain = stat.Two(p, r, inGood, inBad)
	case "state":
		l.chain = fourStates(w)
	case "every":
		l.kind, l.even, l.lost, l.of = counted, true, 1, w.number()
	case "exactly":
		l.kind, l.lost = counted, w.number()
		w.named("of")
		l.of = w.number()
	case "drop":
		l.kind, l.list = listed, readList(w.take())
	case "time":
		l.kind, l.on = phases, w.span()
		l.cycle = l.on + w.span()
	}
	return l
}

// fourStates reads the chain of tc: in state 1 packets are relayed, 3 is a burst of losses in
// which 2 relays, and 4 is a single loss.
func fourStates(w words) stat.Chain {
	p13 := w.share()
	p31, p32, p23, p14 := 1-p13, 0.0, 1.0, 0.0
	for _, argument := range []*float64{&p31, &p32, &p23, &p14} {
		if len(w) > 0 {
			*argument = w.share()
		}
	}
	return stat.Chain{
		Step: [][]float64{
			{1 - p13 - p14, 0, p13, p14},
			{0, 1 - p23, p23, 0},
			{p31, p32, 1 - p31 - p32, 0},
			{1, 0, 0, 0},
		},
		Lost: []float64{0, 0, 1, 1},
	}
}

// readList reads "1,5-7".
func readList(text string) (list [][2]uint64) {
	for _, part := range strings.Split(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, _ := strconv.ParseUint(from, 10, 64)
		last := first
		if isRange {
			last, _ = strconv.ParseUint(to, 10, 64)
		}
		list = append(list, [2]uint64{first, last})
	}
	return list
}

// within counts the numbers of a list from first to last.
func within(list [][2]uint64, first, last uint64) (n uint64) {
	for _, r := range list {
		if low, high := max(first, r[0]), min(last, r[1]); low <= high {
			n += high - low + 1
		}
	}
	return n
}

// law returns how much the stage loses.
func (l *loss) law() stat.Law {
	switch l.kind {
	case chance:
		return l.chain.Law()
	case counted:
		return stat.Law{Share: float64(l.lost) / float64(max(1, l.of))}
	case phases:
		return stat.Law{Share: 1 - float64(l.on)/float64(max(1, l.cycle))}
	}
	return stat.Law{}
}

// lossLines judges how many packets are lost, and which.
func (j *judge) lossLines() {
	hit := j.hits()
	lost := uint64(0)
	for _, h := range hit {
		if h {
			lost++
		}
	}
	switch {
	case len(j.losses) == 0:
		j.noLoss(lost, uint64(len(hit)))
	case len(j.losses) > 1 || j.link.bits > 0:
		j.several(lost, uint64(len(hit)))
	case j.losses[0].kind == listed:
		j.byList(hit, lost)
	case j.losses[0].kind == phases:
		j.byPhase(hit)
	case j.losses[0].kind == counted:
		j.byCount(hit, lost)
	default:
		j.byChance(hit, lost)
	}
}

// hits says of each packet whether it was lost, or marked instead.
func (j *judge) hits() []bool {
	hit := make([]bool, 0, len(j.trace))
	for i := range j.trace {
		p := &j.trace[i]
		if p.Alike && j.duplicate > 0 {
			continue // copies of one and losses of another cannot be told apart
		}
		hit = append(hit, p.Out == 0 || j.ecn && p.Marked)
	}
	return hit
}

// noLoss judges a policy that loses nothing but what finds the queue of its link full.
func (j *judge) noLoss(lost, n uint64) {
	line := Line{Stage: "no loss", Asked: "none lost", Seen: of(lost, n), Verdict: OK}
	if j.link.bits > 0 {
		line.Asked = "what the queue loses: " + count(j.seen.Queue)
	}
	line.Verdict = verdict(near(lost, j.seen.Queue, j.seen.Unsure))
	j.add(line.few(n, stat.Need(0, stat.Tolerated(0))))
}

// near reports whether two numbers differ by at most this much.
func near(a, b, most uint64) bool { return max(a, b)-min(a, b) <= most }

// byChance judges a chain of states: the share that it loses, and how many come in a row.
func (j *judge) byChance(hit []bool, lost uint64) {
	stage, n := &j.losses[0], uint64(len(hit))
	law := stage.law()
	if law.Share <= 0 || law.Share >= 1 {
		j.add(Line{Stage: stage.text, Asked: share(law.Share) + " lost", Seen: of(lost, n),
			Verdict: verdict(stat.Fits(lost, n, law.Share))}.few(n, stat.Need(law.Share, stat.Tolerated(law.Share))))
		return
	}
	line := Line{Stage: stage.text, Asked: share(law.Share) + " lost", Seen: shareOf(lost, n)}
	alone := law.Weight < 1.001 && law.Weight > 0.999
	if alone {
		low, high := stat.Interval(lost, n)
		line.Interval, line.Verdict = interval(low, high), verdict(stat.Fits(lost, n, law.Share))
	} else {
		seen, width := float64(lost)/float64(max(1, n)), law.Width(n)
		line.Interval = interval(max(0, seen-width), min(1, seen+width))
		line.Verdict = verdict(seen >= law.Share-width && seen <= law.Share+width)
	}
	j.add(line.few(n, law.Need(stat.Tolerated(law.Share))))
	if j.alike > 0 || j.seen.Guessed > 0 {
		j.notes = append(j.notes, "which packets were lost cannot be told where packets look alike or are damaged")
		return
	}
	if alone {
		j.runs(stage, hit, lost)
	} else {
		j.rows(stage, hit, law)
	}
}

// runs judges that losses know nothing of each other.
func (j *judge) runs(stage *loss, hit []bool, lost uint64) {
	n := uint64(len(hit))
	r := stat.TestRuns(stat.CountRuns(hit), lost, n)
	j.add(Line{
		Stage: stage.text, Asked: "one by one", Seen: count(r.Seen) + " runs of losses",
		Interval: "expected " + decimal(r.Expected) + " ± " + decimal(stat.Z*r.Spread),
		Verdict:  verdict(r.Fits),
	}.few(lost, 30))
}

// rows judges how many losses come in a row.
func (j *judge) rows(stage *loss, hit []bool, law stat.Law) {
	var lengths []float64
	length := 0.0
	for i, h := range hit {
		switch {
		case h:
			length++
		case length > 0:
			if int(length) < i { // else it had begun before
				lengths = append(lengths, length)
			}
			length = 0
		}
	}
	mean, spread := stat.Sorted(lengths).Moments()
	n := uint64(len(lengths))
	width := stat.Width(float64(n), max(spread, 1e-9))
	few := stat.NeedMean(max(spread, 0.01*law.Run), longRuns*law.Run)
	j.add(Line{
		Stage: stage.text, Asked: decimal(law.Run) + " in a row", Seen: decimal(mean) + " of " + count(n) + " runs",
		Interval: decimal(max(1, mean-width)) + " … " + decimal(mean+width),
		Verdict:  verdict(mean >= law.Run-width-1e-6 && mean <= law.Run+width+1e-6),
	}.few(n, few))
}

// longRuns is the error of a mean run that verify is meant to find, as a part of it. Runs are as
// different as they are long, so that a smaller error would take hours.
const longRuns = 0.1
