package policy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
)

// walker goes along a chain from packet to packet, as tc does: it has a state, and a draw
// leads to the next. It does so without maps, and begins so early that its first state does
// not matter.
type walker struct {
	text  string
	key   uint64
	enter uint64 // chances of chains of two states
	leave uint64
	four  [5]uint64 // P13, P31, P32, P23, P14 of a chain of four
	is    uint64
}

// step takes the draw of packet seq.
func (w *walker) step(seq uint64) uint64 {
	d := uint64(draw(w.key, seq))
	one := uint64(1) << 32
	p13, p31, p32, p23, p14 := w.four[0], w.four[1], w.four[2], w.four[3], w.four[4]
	switch {
	case w.four != [5]uint64{}:
		switch w.is {
		case 0: // from the low end: to state 3, to state 4
			w.is = map[bool]uint64{true: 2, false: map[bool]uint64{true: 3, false: 0}[d < p13+p14]}[d < p13]
		case 1:
			if d < p23 {
				w.is = 2
			}
		case 2: // from the high end: to state 1, to state 2
			if d >= one-p31 {
				w.is = 0
			} else if d >= one-p31-p32 {
				w.is = 1
			}
		case 3:
			w.is = 0
		}
	case w.is == 0: // from the low end: to the bad state
		if d < w.enter {
			w.is = 1
		}
	case d >= one-w.leave: // from the high end: to the good state
		w.is = 0
	}
	return w.is
}

// chainOf returns the chain of a program, its number, and a walker along it.
func chainOf(prog *Program, text string) (chain *Chain, number uint64, w walker) {
	p, _ := Parse(text)
	c := func(n, of uint64) uint64 { return uint64(math.Round(float64(n) / float64(of) * (1 << 32))) }
	const hundred = 100_000_000
	switch {
	case prog.Stages&WithRun != 0:
		s := p.percent
		lost := uint64(s.relay.Rest())
		w = walker{enter: c(lost*1000, uint64(s.run)*uint64(s.relay)), leave: c(1000, uint64(s.run))}
		chain, number = &prog.Run, chainRun
	case prog.Stages&(1<<ByGEModel) != 0:
		s := p.gemodel
		w = walker{enter: c(uint64(s.enter), hundred), leave: c(uint64(s.leave), hundred)}
		chain, number = &prog.GE, chainGE
	default:
		s := p.state
		p13, p31 := c(uint64(s.p13), hundred), c(uint64(s.p31), hundred)
		w = walker{four: [5]uint64{p13, p31, c(uint64(s.p31+s.p32), hundred) - p31, c(uint64(s.p23), hundred), c(uint64(s.p13+s.p14), hundred) - p13}}
		chain, number = &prog.State, chainState
	}
	w.text, w.key = text, chain.Key
	return chain, number, w
}

// models are the policies that most of the tests here go through.
var models = []string{
	"percent 99 run 10", "percent 80 run 5", "percent 50 run 1.2", "percent 10 run 20", "percent 99.9 run 8", "percent 1 run 100",
	"gemodel 1", "gemodel 1 10", "gemodel 1 10 50", "gemodel 1 10 50 0.1", "gemodel 5 50 100 1", "gemodel 30 30 70 10", "gemodel 90 80 100 5",
	"state 1", "state 1 10", "state 1 10 20 30", "state 1 10 20 30 0.2", "state 5 30 30 20 5", "state 20 70 0 100 80",
}

// state of packet seq, for any chain.
func (c *Chain) of(number uint64, memo *Memo, seq uint64) uint64 {
	if number == chainState {
		return c.state(memo, number, seq)
	}
	return c.eitherState(memo, number, seq)
}

// From any number, in any order, with a memo and without one, a packet's state is the one to
// which steps from packet to packet lead.
func TestChainsAreStepped(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, text := range models {
		t.Run(text, func(t *testing.T) {
			prog := compile(t, text, 0, 21)
			chain, number, w := chainOf(&prog, text)
			for _, first := range []uint64{0, 1 << 33, r.Uint64N(1 << 40), mostRemembered - 1000, math.MaxUint64 - 5000} {
				const settle = 50_000
				for i := range uint64(settle) {
					w.step(first - settle + i)
				}
				n := uint64(many(40_000))
				states := make([]uint8, n)
				for i := range states {
					states[i] = uint8(w.step(first + uint64(i)))
				}
				memo, leaps := new(Memo), new(Memo)
				for i := range n {
					at := r.Uint64N(n)
					for _, got := range []struct {
						how   string
						memo  *Memo
						at    uint64
						every uint64
					}{{"in a row", memo, i, 1}, {"anywhere", nil, at, 5}, {"anywhere, with a memo", leaps, (i + r.Uint64N(60)) % n, 1}} {
						if i%got.every != 0 {
							continue
						}
						if is := chain.of(number, got.memo, first+got.at); is != uint64(states[got.at]) {
							t.Fatalf("%s: packet %d + %d: state %d, want %d", got.how, first, got.at, is, states[got.at])
						}
					}
				}
			}
		})
	}
}

// A memo never changes a verdict, whoever fills it: 4 goroutines race for packets, one by one
// and 45 at a time, forwards and backwards.
func TestMemoIsShared(t *testing.T) {
	for _, text := range []string{"percent 99 run 5", "percent 50 run 1", "gemodel 1 10 50 0.1 state 1 10 20 30 0.2 percent 80 run 20"} {
		prog := compile(t, text, 0, 22)
		n := many(400_000)
		want := make(verdicts, n)
		for i := range want {
			want[i] = uint8(prog.Decide(0, uint64(i)).By)
		}
		memo := new(Memo)
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				batch := []int{1, 45, 7, 64}[worker]
				for from := 0; from < n; from += batch {
					for i := range batch {
						at := from + i
						if worker == 2 {
							at = from + batch - 1 - i
						}
						if at < n && uint8(prog.DecideWith(memo, 0, uint64(at)).By) != want[at] {
							t.Errorf("%s: packet %d differs", text, at)
							return
						}
					}
				}
			})
		}
		group.Wait()
	}
}

// A memo is used: without that, the walk is long.
func TestMemoFinds(t *testing.T) {
	memo := new(Memo)
	for _, seq := range []uint64{0, 5, 1 << 40, mostRemembered - 1} {
		for chain := range uint64(3) {
			memo.note(chain, seq, seq&1+chain)
			if state, known := memo.find(chain, seq); !known || state != seq&1+chain {
				t.Errorf("chain %d, packet %d: %d, %v", chain, seq, state, known)
			}
			for _, other := range []uint64{seq + 1, seq + memoFacts, seq + 1<<62, seq - memoFacts} {
				if _, known := memo.find(chain, other); known {
					t.Errorf("packet %d is known, and only %d was noted", other, seq)
				}
			}
			if _, known := memo.find((chain+1)%3, seq); known && chain < 2 {
				t.Errorf("packet %d is known of the chain behind %d", seq, chain)
			}
		}
	}
	memo.note(0, mostRemembered, 1)
	if _, known := memo.find(0, mostRemembered); known {
		t.Error("a number is known for which a fact has no room")
	}
	if _, known := new(Memo).find(0, math.MaxUint64); known {
		t.Error("an empty memo knows a packet")
	}
}

// Each draw takes exactly one transition from each state: at 0, at each bound and beside
// it, and at the end. And the transitions have the chances that were asked for, to 2⁻³².
func TestChainBoundaryDraws(t *testing.T) {
	for _, text := range append([]string{"percent 50 run 1", "gemodel 100 100", "gemodel 0 100", "gemodel 100 0", "state 0", "state 100", "state 50 50 50 50 50"}, models...) {
		prog := compile(t, text, 0, 23)
		chain, _, w := chainOf(&prog, text)
		states := uint64(2)
		if w.four != [5]uint64{} {
			states = 4
		}
		bounds := append([]uint64{0, math.MaxUint32}, chain.Bounds[:]...)
		for _, bound := range bounds {
			for _, d := range []uint64{bound - 1, bound, bound + 1} {
				if d > math.MaxUint32 {
					continue
				}
				chain.Key = unmix64(d << 32)
				w.key = chain.Key
				for from := range states {
					w.is = from
					if got, want := follow(chain.pick(0), from), w.step(0); got != want {
						t.Errorf("%s: draw %d from state %d: %d, want %d", text, d, from, got, want)
					}
				}
			}
		}
		checkWeights(t, text, chain, &w, states)
	}
}

// checkWeights compares the parts of the draws that lead from one state to another with the
// chances.
func checkWeights(t *testing.T, text string, chain *Chain, w *walker, states uint64) {
	t.Helper()
	want := transitions(w)
	for from := range states {
		sums, low := [4]uint64{}, uint64(0)
		for i, m := range chain.Maps {
			high := uint64(1) << 32
			if i < len(chain.Bounds) {
				high = chain.Bounds[i]
			}
			sums[follow(m, from)] += high - low
			low = high
		}
		for to := range states {
			if got := float64(sums[to]) / (1 << 32); math.Abs(got-want[from][to]) > 1e-12 {
				t.Errorf("%s: from %d to %d: %.12g, want %.12g", text, from, to, got, want[from][to])
			}
		}
	}
}

// transitions is the matrix of the chances of a chain.
func transitions(w *walker) (m [4][4]float64) {
	f := func(n uint64) float64 { return float64(n) / (1 << 32) }
	if w.four == [5]uint64{} {
		p, r := f(w.enter), f(w.leave)
		m[0], m[1] = [4]float64{1 - p, p}, [4]float64{r, 1 - r}
		return m
	}
	p13, p31, p32, p23, p14 := f(w.four[0]), f(w.four[1]), f(w.four[2]), f(w.four[3]), f(w.four[4])
	m[0] = [4]float64{1 - p13 - p14, 0, p13, p14}
	m[1] = [4]float64{0, 1 - p23, p23, 0}
	m[2] = [4]float64{p31, p32, 1 - p31 - p32, 0}
	m[3] = [4]float64{1, 0, 0, 0}
	return m
}

// The whole verdict at N = 10⁶ is the same with another chain beside it.
func TestChainsMoveNoDraw(t *testing.T) {
	texts := []string{"percent 99 run 5", "gemodel 1 10 50", "state 1 10 20 30 0.2", "exactly 1 of 10", "drop 1,5-7"}
	var alone []Program
	all := ""
	for _, text := range texts {
		alone = append(alone, compile(t, text, 0, 31))
		all += text + " "
	}
	both := compile(t, all, 0, 31)
	for seq := range uint64(many(200_000)) {
		want := Relay
		for i := range alone {
			if by := alone[i].Decide(0, seq).By; want == Relay {
				want = by
			}
		}
		if got := both.Decide(0, seq).By; got != want {
			t.Fatalf("packet %d: %v, want %v", seq, got, want)
		}
	}
	if fmt.Sprint(both.Stages) != "percent, run, gemodel, state, exactly, drop" {
		t.Error(both.Stages)
	}
}
