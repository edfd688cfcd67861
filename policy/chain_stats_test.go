package policy

import (
	"math"
	"testing"
)

// The chains are Markov chains with the chances asked for: a G-test of the transitions
// from each state, χ² of how long they stay in each state, which is geometric, and the share
// and the runs of losses against their closed forms.
func TestChainsAreMarkov(t *testing.T) {
	for i, text := range models {
		t.Run(text, func(t *testing.T) {
			n := many(1_000_000)
			if text == "percent 99.9 run 8" {
				n = many(4_000_000)
			}
			prog, memo := compile(t, text, 0, uint64(100+i)), new(Memo)
			chain, number, w := chainOf(&prog, text)
			states, lost := make([]uint8, n), make(verdicts, n)
			for seq := range states {
				states[seq] = uint8(chain.of(number, memo, uint64(seq)))
				if prog.DecideWith(memo, 0, uint64(seq)).By != Relay {
					lost[seq] = 1
				}
			}
			want := transitions(&w)
			g, df := transitionsG(t, states, want)
			if df > 0 {
				accept(t, chiSquareP(g, df), "transitions, G = %.1f, %d degrees of freedom", g, df)
			}
			for state := range uint8(4) {
				checkStays(t, states, state, 1-want[state][state])
			}
			m := closedForm(&prog, w)
			checkLosses(t, lost, m)
		})
	}
}

// transitionsG is the statistic of the G-test for the transitions, given the chances.
func transitionsG(t *testing.T, states []uint8, want [4][4]float64) (g float64, df int) {
	t.Helper()
	var counts [4][4]float64
	for i := 1; i < len(states); i++ {
		counts[states[i-1]][states[i]]++
	}
	for from := range counts {
		total, ways := 0.0, -1
		for to := range counts[from] {
			total += counts[from][to]
		}
		for to, n := range counts[from] {
			if want[from][to] == 0 {
				if n != 0 {
					t.Errorf("%v steps from %d to %d, which has no chance", n, from, to)
				}
				continue
			}
			ways++
			if n > 0 {
				g += 2 * n * math.Log(n/(total*want[from][to]))
			}
		}
		if total > 0 {
			df += ways
		}
	}
	return g, df
}

// checkStays tests how many packets in a row have a state, against the geometric distribution.
func checkStays(t *testing.T, states []uint8, state uint8, leave float64) {
	t.Helper()
	var stays []int
	for i, from := 1, -1; i < len(states); i++ {
		switch {
		case states[i] == state && states[i-1] != state:
			from = i
		case states[i] != state && states[i-1] == state && from >= 0:
			stays = append(stays, i-from)
		}
	}
	if p, ok := geometricP(stays, leave); ok {
		accept(t, p, "stays in state %d: %d", state, len(stays))
	}
}

// geometricP tests numbers from 1 on for being geometric with the chance of an end. ok is
// false if there are too few.
func geometricP(numbers []int, end float64) (p float64, ok bool) {
	total, left, x, df := float64(len(numbers)), 1.0, 0.0, -1
	if total < 50 || end >= 1 {
		return 0, false
	}
	counts := map[int]int{}
	for _, n := range numbers {
		counts[n]++
	}
	// Bins of lengths with about 20 or more expected.
	for from := 1; left > 0; {
		to, mass := from, 0.0
		for ; mass*total < 20 && to < from+100_000; to++ {
			mass += (left - mass) * end
		}
		got := 0
		for n := from; n < to; n++ {
			got += counts[n]
		}
		if (left-mass)*total < 20 { // the rest is one bin
			mass, got = left, 0
			for n, count := range counts {
				if n >= from {
					got += count
				}
			}
		}
		x += (float64(got) - total*mass) * (float64(got) - total*mass) / (total * mass)
		df++
		left -= mass
		if left*total < 1e-9 {
			break
		}
		from = to
	}
	if df < 1 {
		return 0, false
	}
	return chiSquareP(x, df), true
}

// closed has the closed forms of a model.
type closed struct {
	share, run float64
	variance   float64 // of the share of many packets, times their number
	corr       float64 // of neighbours
}

// closedForm returns the closed forms: of the chain with two states, of Gilbert–Elliott, and of
// the four states.
func closedForm(prog *Program, w walker) closed {
	m := transitions(&w)
	if w.four != [5]uint64{} {
		p13, p31, p32, p23, p14 := m[0][2], m[2][0], m[2][1], m[1][2], m[0][3]
		one := 1 / (1 + p14 + p13/p31*(1+p32/p23))
		three := one * p13 / p31
		two, four := three*p32/p23, one*p14
		share := three + four
		run := share / (one*(p13+p14) + two*p23)
		return closed{share: share, run: run}
	}
	p, r := m[0][1], m[1][0]
	bad, good := p/(p+r), r/(p+r)
	eb, eg := 1.0, 0.0
	if prog.Stages&WithRun == 0 {
		eb, eg = float64(prog.GEBad)/(1<<32), float64(prog.GEGood)/(1<<32)
	}
	share := good*eg + bad*eb
	both := good*eg*((1-p)*eg+p*eb) + bad*eb*(r*eg+(1-r)*eb)
	lambda, cov := 1-p-r, good*bad*(eb-eg)*(eb-eg)
	return closed{share: share, run: share / (share - both), corr: cov * lambda / (share * (1 - share)),
		variance: share*(1-share) + 2*cov*lambda/(1-lambda)}
}

// checkLosses tests the share and the mean run of losses.
func checkLosses(t *testing.T, lost verdicts, want closed) {
	t.Helper()
	n := float64(len(lost))
	share, variance := float64(lost.drops())/n, want.variance
	if variance == 0 { // by parts that are nearly independent
		variance = batchVariance(lost)
	}
	z := (share - want.share) / math.Sqrt(variance/n)
	accept(t, normalP(z), "share %.6f, want %.6f, z %+.1f", share, want.share, z)
	sum, squares, runs, length := 0.0, 0.0, 0.0, 0.0
	pairs := 0.0
	for i, x := range lost {
		if x == 1 {
			length++
			if i > 0 && lost[i-1] == 1 {
				pairs++
			}
			continue
		}
		if length > 0 {
			sum, squares, runs = sum+length, squares+length*length, runs+1
		}
		length = 0
	}
	mean := sum / runs
	sd := math.Sqrt((squares/runs - mean*mean) / runs)
	z = (mean - want.run) / sd
	accept(t, normalP(z), "mean run %.4f ± %.4f, want %.4f", mean, sd, want.run)
	if want.corr != 0 {
		corr := (pairs/n - share*share) / (share * (1 - share))
		if math.Abs(corr-want.corr) > 30/math.Sqrt(n*want.share) {
			t.Errorf("correlation of neighbours %.3f, want %.3f", corr, want.corr)
		}
	}
}

// batchVariance estimates the variance of the share, times the number of packets, from parts.
func batchVariance(lost verdicts) float64 {
	const parts = 500
	size := len(lost) / parts
	sum, squares := 0.0, 0.0
	for i := range parts {
		x := float64(lost[i*size:(i+1)*size].drops()) / float64(size)
		sum, squares = sum+x, squares+x*x
	}
	mean := sum / parts
	return (squares/parts - mean*mean) * float64(size)
}

// The closed forms that were written down for these chains.
func TestClosedFormsKnown(t *testing.T) {
	for text, want := range map[string]closed{
		"percent 99 run 10":    {share: .01, run: 10, corr: .899},
		"percent 80 run 5":     {share: .2, run: 5, corr: .750},
		"percent 50 run 1.2":   {share: .5, run: 1.2, corr: -.667},
		"percent 10 run 20":    {share: .9, run: 20, corr: .5},
		"gemodel 1 10 50 0.1":  {share: .04636, run: 1.790, corr: .414},
		"gemodel 5 50 100 1":   {share: .10, run: 1.867},
		"gemodel 30 30 70 10":  {share: .40, run: 1.961},
		"state 1 10 20 30 0.2": {share: .08728, run: 3.188},
		"state 5 30 30 20 5":   {share: .1477, run: 1.444},
	} {
		prog := compile(t, text, 0, 1)
		_, _, w := chainOf(&prog, text)
		got := closedForm(&prog, w)
		near(t, text+": share", got.share, want.share, 1e-3)
		near(t, text+": run", got.run, want.run, 1e-3)
		if want.corr != 0 {
			near(t, text+": correlation", got.corr, want.corr, 2e-3)
		}
		p, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		shares, ok := p.Shares()
		if !ok || len(shares) != 1 {
			t.Fatalf("%s: shares %v, %v", text, shares, ok)
		}
		near(t, text+": share asked for", float64(shares[0].Part)/float64(shares[0].Of), got.share, 1e-6)
	}
}
