package policy

import (
	"math"
	"strings"
	"testing"
)

// A run has a shortest and a longest length that is possible; beyond them it is refused with
// that length. At a bound it is accepted.
func TestRunLimits(t *testing.T) {
	for text, want := range map[string]string{
		"percent 99 run 5":              "",
		"percent 99 run 1":              "",
		"percent 99 run 1010.101":       "",
		"percent 99 run 1010.102":       `percent "99 run 1010.102": with 1 % lost the longest run that is possible is 1010.101`,
		"percent 50 run 1":              "",
		"percent 50 run 1.001":          "",
		"percent 50 run 0.999":          `percent "50 run 0.999": with 50 % lost the shortest run that is possible is 1`,
		"percent 50.000001 run 1":       `percent "50.000001 run 1": with 49.999999 % lost the shortest run that is possible is 1.001`,
		"percent 49.999999 run 1":       `percent "49.999999 run 1": with 50.000001 % lost the shortest run that is possible is 1.001`,
		"percent 40 run 1.5":            "",
		"percent 40 run 1.499":          `percent "40 run 1.499": with 60 % lost the shortest run that is possible is 1.5`,
		"percent 30 run 2.333":          `percent "30 run 2.333": with 70 % lost the shortest run that is possible is 2.334`,
		"percent 30 run 2.334":          "",
		"percent 1 run 98.999":          `percent "1 run 98.999": with 99 % lost the shortest run that is possible is 99`,
		"percent 1 run 99":              "",
		"percent 0.000001 run 99999999": "",
		"percent 0.000001 run 5":        `percent "0.000001 run 5": with 99.999999 % lost the shortest run that is possible is 99999999`,
		"percent 0 run 5":               `percent "0 run 5": everything is lost, so that no run of losses ends`,
		"percent 100 run 5":             "",
		"percent 100 run 1000":          "",
		"percent 100 run 1000.001":      `percent "100 run 1000.001": with 0 % lost the longest run that is possible is 1000`,
		"loss 60 run 1.4":               `loss "60 run 1.4": with 60 % lost the shortest run that is possible is 1.5`,
		"loss 60 run 0":                 `loss "60 run 0": with 60 % lost the shortest run that is possible is 1.5`,
		"loss 100 run 5":                `loss "100 run 5": everything is lost, so that no run of losses ends`,
		"percent 99 run":                `percent "99 run": incomplete; want percent N [run L]`,
		"loss 1 run":                    `loss "1 run": incomplete; want loss N [run L]`,
		"loss":                          `loss "": incomplete; want loss N [run L]`,
		"percent 99 run 1.2345":         `percent run "1.2345": must not have more than 3 decimals`,
		"loss 1 run x":                  `loss run "x": must be a decimal number such as 5 or 1.2`,
		"loss 1 run -5":                 `loss run "-5": must not have a sign`,
		"loss 101":                      `loss "101": must be a decimal number from 0 to 100`,
		"loss 1% 25%":                   `loss "1% 25%": a correlation changes how much is lost; for losses in a row write loss 1 run L, where L is their mean number`,
		"percent 99 25%":                `percent "99 25%": a correlation changes how much is lost; for losses in a row write loss 1 run L, where L is their mean number`,
		"percent 99 25":                 `policy "25": unexpected after percent N [run L]; want ` + Grammar(),
		"loss 1 loss 2":                 `policy "loss 1 loss 2": loss is another way to write percent, which is given`,
	} {
		_, err := Parse(text)
		if got := errorText(err); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// loss N is percent 100−N, and printed so.
func TestLossIsPercent(t *testing.T) {
	for text, want := range map[string]string{
		"loss 1": "percent 99", "loss 0": "percent 100", "loss 100%": "percent 0", "loss 0.000001": "percent 99.999999",
		"loss 1% run 5": "percent 99 run 5", "time 1s 1s loss 20 run 1.50": "percent 80 run 1.5 time 1s 1s",
		"gemodel 1 10 loss 5": "percent 95 gemodel 1 10", "delay 20ms loss 5 rate 1mbit": "percent 95 rate 1mbit delay 20ms",
	} {
		p, err := Parse(text)
		if err != nil || p.String() != want {
			t.Errorf("%s: %v, %v, want %s", text, p, err, want)
		}
	}
}

// Where losses in a row are as long as by chance, the verdicts are those of percent alone.
func TestRunByChance(t *testing.T) {
	for with, without := range map[string]string{
		"percent 50 run 2": "percent 50", "percent 80 run 1.25": "percent 80", "percent 20 run 5": "percent 20", "percent 1 run 100": "percent 1",
	} {
		a, b := compile(t, with, 0, 41), compile(t, without, 0, 41)
		for seq := range uint64(many(200_000)) {
			if got, want := a.Decide(0, seq).By, b.Decide(0, seq).By; got != want {
				t.Fatalf("%s: packet %d: %v, without run %v", with, seq, got, want)
			}
		}
	}
}

// A higher percentage relays what a lower one relays, and more, with runs of the same length.
func TestRunHigherRelaysSuperset(t *testing.T) {
	for _, texts := range [][]string{
		{"percent 60 run 5", "percent 80 run 5", "percent 90 run 5", "percent 99 run 5", "percent 100 run 5"},
		{"gemodel 20 10", "gemodel 5 10", "gemodel 1 10", "gemodel 0 10"},
	} {
		lower := compile(t, texts[0], 0, 43)
		for _, text := range texts[1:] {
			higher, fewer := compile(t, text, 0, 43), 0
			for seq := range uint64(many(100_000)) {
				a, b := lower.Decide(0, seq).By, higher.Decide(0, seq).By
				if a == Relay && b != Relay {
					t.Fatalf("%s loses packet %d, which less relays", text, seq)
				}
				if a != b {
					fewer++
				}
			}
			if fewer == 0 {
				t.Errorf("%s loses as much as less", text)
			}
			lower = higher
		}
	}
}

// Without losses there are no runs, and every other packet is lost where both shares and
// lengths allow nothing else.
func TestRunEdges(t *testing.T) {
	prog := compile(t, "percent 100 run 5", 0, 1)
	if prog.Stages&WithRun != 0 || !prog.Uniform(45) || prog.Decide(0, 5).By != Relay {
		t.Errorf("percent 100 run 5 is %+v", prog)
	}
	for _, text := range []string{"percent 50 run 1", "gemodel 100 100"} {
		firsts := map[Stage]int{}
		for seed := range uint64(50) {
			prog := compile(t, text, 0, seed)
			first := prog.Decide(0, 0).By
			firsts[first]++
			for seq := range uint64(1000) {
				if lost := prog.Decide(0, seq).By == first; lost != (seq%2 == 0) {
					t.Fatalf("%s, seed %d: packet %d is out of turn", text, seed, seq)
				}
			}
		}
		if firsts[Relay] < 10 || firsts[Relay] > 40 {
			t.Errorf("%s: of 50 seeds %d begin with a packet that is relayed", text, firsts[Relay])
		}
	}
	if a, b := compile(t, "percent 50 run 1", 0, 1), compile(t, "percent 50 run 1", 0, 1); a.Decide(0, math.MaxUint64) != b.Decide(0, math.MaxUint64) {
		t.Error("the last packet has two verdicts")
	}
}

// Chances are exact to 2⁻³³, and never more than they can be.
func TestRunChances(t *testing.T) {
	for _, c := range []struct {
		text         string
		enter, leave float64
	}{
		{"percent 99 run 10", .01 / (10 * .99), .1},
		{"percent 99.999999 run 5", 1e-8 / (5 * (1 - 1e-8)), .2},
		{"percent 0.000001 run 99999999", 1, 1 / 99999999.0},
		{"percent 50 run 1.2", .5 / .6, 1 / 1.2},
		{"percent 66.666667 run 999.999", .33333333 / (999.999 * .66666667), 1 / 999.999},
	} {
		prog := compile(t, c.text, 0, 1)
		_, _, w := chainOf(&prog, c.text)
		m := [2]float64{}
		low := 0.0
		for i, which := range prog.Run.Maps {
			high := float64(1 << 32)
			if i < len(prog.Run.Bounds) {
				high = float64(prog.Run.Bounds[i])
			}
			for state := range m {
				if follow(which, uint64(state)) != uint64(state) {
					m[state] += (high - low) / (1 << 32)
				}
			}
			low = high
		}
		if math.Abs(m[0]-c.enter) > 1.2e-10 || math.Abs(m[1]-c.leave) > 1.2e-10 || w.enter > 1<<32 {
			t.Errorf("%s: chances %.12f, %.12f, want %.12f, %.12f", c.text, m[0], m[1], c.enter, c.leave)
		}
	}
}

// The chains that are left out are simpler models, as tc has it (tc-netem(8)).
func TestDegenerateModels(t *testing.T) {
	for text, want := range map[string]string{
		"gemodel 5 95":        "gemodel 5",
		"gemodel 5 95 100 0":  "gemodel 5",
		"gemodel 5 10 100":    "gemodel 5 10",
		"gemodel 5 10 50 0":   "gemodel 5 10 50",
		"gemodel 5% 10% 50%":  "gemodel 5 10 50",
		"gemodel 5 95 100 1":  "gemodel 5 95 100 1",
		"state 5 95 0 100 0":  "state 5",
		"state 5 10 0 100":    "state 5 10",
		"state 5 10 20 100 0": "state 5 10 20",
		"state 5 95 0 100 1":  "state 5 95 0 100 1",
	} {
		p, err := Parse(text)
		if err != nil || p.String() != want {
			t.Errorf("%s: %v, %v, want %s", text, p, err, want)
		}
	}
	const n = 300_000
	key := func(text string) func(*Program) *uint64 {
		if strings.HasPrefix(text, "gemodel") {
			return func(p *Program) *uint64 { return &p.GE.Key }
		}
		return func(p *Program) *uint64 { return &p.State.Key }
	}
	// With the same draws these have the same losses: Bernoulli, and the simple Gilbert model.
	for _, pair := range [][2]string{
		{"gemodel 5", "percent 95"}, {"state 5", "percent 95"}, {"gemodel 0 50", "percent 100"}, {"gemodel 50 0", "percent 0"},
		{"state 0", "percent 100"}, {"state 100", "percent 0"}, {"gemodel 5 10 0", "percent 100"}, {"gemodel 5 10 100 100", "percent 0"},
		{"gemodel 2 10", "loss 16.666667 run 10"},
	} {
		prog, plain := compile(t, pair[0], 0, 1), compile(t, pair[1], 0, 1)
		if plain.Stages&WithRun != 0 {
			plain.Run.Bounds = prog.GE.Bounds // the share is not exactly a sixth
		}
		plain.PercentKey, plain.Run.Key = *key(pair[0])(&prog), *key(pair[0])(&prog)
		memo, other := new(Memo), new(Memo)
		for seq := range uint64(many(n)) {
			a, b := prog.DecideWith(memo, 0, seq).Lost(), plain.DecideWith(other, 0, seq).Lost()
			if a != b {
				t.Fatalf("%s: packet %d lost %v, %s: %v", pair[0], seq, a, pair[1], b)
			}
		}
	}
	// State P13 P31 is the simple Gilbert model, and gemodel with BAD the Gilbert model; their
	// closed forms are those of the models with more states.
	for a, b := range map[string]string{"gemodel 2 10": "state 2 10", "gemodel 30 60": "state 30 60"} {
		pa, pb := compile(t, a, 0, 1), compile(t, b, 0, 1)
		_, _, wa := chainOf(&pa, a)
		_, _, wb := chainOf(&pb, b)
		ca, cb := closedForm(&pa, wa), closedForm(&pb, wb)
		near(t, b+": share", cb.share, ca.share, 1e-8)
		near(t, b+": run", cb.run, ca.run, 1e-8)
	}
}

// A chain that would remember its beginning for too long is refused, and so are chances that
// are above 100 together.
func TestChainsMustForget(t *testing.T) {
	for text, want := range map[string]string{
		"gemodel 0 0":                 "at least 0.1",
		"gemodel 0.05 0.04":           "at least 0.1",
		"gemodel 0.05 0.05":           "",
		"gemodel 100 99.9":            "",
		"gemodel 100 99.95":           "at most 199.9",
		"gemodel 100 100":             "",
		"state 0 0":                   "too long",
		"state 100 100":               "too long",
		"state 0.01 0.01 0.01 0.01":   "too long",
		"state 1 0.1":                 "",
		"state 60 50 0 100 41":        "P13 and P14",
		"state 60 50 51":              "P31 and P32",
		"state 1 2 3 4 5 6":           "unexpected",
		"state":                       "incomplete",
		"gemodel":                     "incomplete",
		"gemodel 1 10 50 0.1 5":       "unexpected",
		"state 1 0 10 10":             "",
		"state 0.0001 1 0.1 0.2 0.01": "",
	} {
		_, err := Parse(text)
		if got := errorText(err); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// How soon a chain of two states forgets is known, and forgetful computes it.
func TestForgetful(t *testing.T) {
	for forget := 0.0002; forget < 0.0012; forget += 0.00002 {
		chance := Chance(forget * (1 << 32))
		c := twoStates(0, chance/2, chance-chance/2)
		want := math.Pow(1-forget, remembering) <= 0.5
		if math.Abs(math.Pow(1-forget, remembering)-0.5) > 0.001 && c.forgetful() != want {
			t.Errorf("a draw in %.5f forgets: %v, want %v", forget, c.forgetful(), want)
		}
	}
}

// From nothing, the state is found at every number, however long it takes.
func TestLookBackEnds(t *testing.T) {
	for _, text := range []string{"percent 99.9 run 1000", "gemodel 0.05 0.05", "percent 50 run 1.001", "state 0.5 0.5 0 100 0"} {
		prog := compile(t, text, 0, 3)
		chain, number, _ := chainOf(&prog, text)
		for seq := uint64(0); seq < uint64(many(3_000))*977; seq += 977 {
			m := chain.pick(seq)
			if !forgets(m) {
				m = chain.lookBack(nil, number, seq, m)
			}
			if !forgets(m) {
				t.Fatalf("%s: the state of packet %d is not found", text, seq)
			}
		}
	}
}
