package kern

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/policy"
)

// These are NOT_FOUND and NO_MEMO of decide.h.
const (
	notFound = 255
	noMemo   = directions * entries
)

// askRarely gives the program stages with fields that no policy compiles to.
func askRarely(r *rand.Rand, p *policy.Program) {
	p.Stages = policy.WithRun | policy.Stages(r.Uint64())&(1<<policy.StageNumbers-1)
	if r.IntN(2) == 0 {
		p.Stages &^= policy.WithRun
	}
	p.Stages &= policy.Losses
	for _, c := range []*policy.Chain{&p.Run, &p.GE, &p.State} {
		c.Key = r.Uint64()
		for i := range c.Bounds {
			c.Bounds[i] = oneOf(r, 0, 1, uint64(r.Uint32()), uint64(r.Uint32()), 1<<32, 1<<32+1) >> 1
		}
		for i := range c.Maps {
			c.Maps[i] = oneOf(r, 0, 0x55, 0xaa, 0xff, 0x44, 0x11, uint64(r.Uint32N(256)))
		}
	}
	p.GEBad, p.GEGood, p.GEKey = oneOf(r, 0, 1<<31, 1<<32), oneOf(r, 0, 1<<31, 1<<32), r.Uint64()
	p.ExactlyLost, p.ExactlyOf, p.ExactlyKey = oneOf(r, 0, 1, 5), oneOf(r, 0, 1, 2, 10, 1000), r.Uint64()
	p.ExactlyRows, p.ExactlyColumns = oneOf(r, 0, 1, 3, 4, 40), oneOf(r, 0, 1, 3, 4, 40)
	for i := range p.DropFrom {
		p.DropFrom[i], p.DropCount[i] = oneOf(r, 0, 1, 100, 1<<40, math.MaxUint64), oneOf(r, 0, 0, 0, 1, 1<<39, math.MaxUint64)
	}
}

// rareText draws a policy of the stages that look back, or count packets.
func rareText(r *rand.Rand) string {
	percent := func(most int) string { return fmt.Sprintf("%d.%03d", r.IntN(most), r.IntN(1000)) }
	var parts []string
	for _, part := range []func() string{
		func() string {
			return fmt.Sprintf("percent %s run %d.%03d", percent(100), 1+r.IntN(40), r.IntN(1000))
		},
		func() string {
			return fmt.Sprintf("gemodel %s %s %s %s", percent(100), percent(100), percent(100), percent(100))
		},
		func() string { return "gemodel " + percent(100) },
		func() string {
			return fmt.Sprintf("state %s %s %s %s %s", percent(50), percent(50), percent(50), percent(100), percent(50))
		},
		func() string { return "state " + percent(100) },
		func() string {
			of := 1 + r.IntN(1<<r.IntN(20))
			return fmt.Sprintf("exactly %d of %d", r.IntN(of+1), of)
		},
		func() string {
			first := r.IntN(1000)
			return fmt.Sprintf("drop %d,%d-%d", 1+r.IntN(1000), 1+first, 1+first+r.IntN(1<<r.IntN(30)))
		},
		func() string { return fmt.Sprintf("every %d", 1+r.IntN(50)) },
		func() string { return fmt.Sprintf("time %dms %dms", 1+r.IntN(50), r.IntN(50)) },
	} {
		if r.IntN(4) == 0 {
			parts = append(parts, part())
		}
	}
	return strings.Join(parts, " ")
}

// rareProgram compiles a random text that is a policy.
func rareProgram(r *rand.Rand) (policy.Program, string) {
	for {
		text := rareText(r)
		p, err := policy.Parse(text)
		if err == nil {
			start := policy.Start{Epoch: policy.Time(r.Uint64N(1 << 40)), Seed: r.Uint64(), First: r.Uint64N(1 << 40)}
			return p.CompileAt(start), text
		}
	}
}

// rareVerdicts is how many verdicts are compared: 10⁷ with INSANE_PACKETS=10000000.
func rareVerdicts(t *testing.T) int {
	n := 1 << 20
	if text := os.Getenv("INSANE_PACKETS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		must(t, err)
	}
	return n / raceDivisor
}

// The kernel agrees with package policy about losses with memory, and about those that are
// counted: for random policies and numbers, one after the other and from anywhere, with a
// memo and without one.
func TestRareVerdictsAreThePolicys(t *testing.T) {
	questions, memos, answer := newQuestionsWithMemos(t)
	r := rand.New(rand.NewPCG(8, 2))
	lost, unknown, decided := 0, 0, 0
	texts := make([]string, len(questions))
	for decided < rareVerdicts(t) {
		for i := range memos {
			memos[i].forget()
		}
		for i := 0; i < len(questions); i += len(questions) / len(memos) {
			askInARow(r, questions[i:i+len(questions)/len(memos)], texts[i:], uint64(i/(len(questions)/len(memos))))
		}
		answer()
		for i := range questions {
			q := &questions[i]
			program := q.asked()
			want := program.Decide(policy.Time(q.now), q.seq)
			if program.Uniform(2) != (q.whole == 1) {
				t.Fatalf("%s: whole %d", texts[i], q.whole)
			}
			switch {
			case q.verdict == notFound:
				unknown++
				continue
			case q.verdict != uint64(want.By):
				t.Fatalf("%s: packet %d, memo %d: stage %d, want %v: %+v", texts[i], q.seq, q.memo, q.verdict, want, program)
			}
			decided++
			if want.Lost() {
				lost++
			}
		}
	}
	if lost < decided/20 || lost > decided*19/20 || unknown > decided/1000 {
		t.Errorf("%d decided, %d of them lost, %d not found", decided, lost, unknown)
	}
}

// askInARow asks about packets of several programs: one has a memo and is asked about packets
// in a row, with leaps; the others have none and are asked about any.
func askInARow(r *rand.Rand, questions []question, texts []string, memo uint64) {
	program, text := rareProgram(r)
	other, otherText := program, text
	next := r.Uint64N(1 << 40)
	for i := range questions {
		q := &questions[i]
		*q = question{now: r.Uint64N(1 << 42), segments: 2, memo: noMemo}
		if i%2 == 0 {
			q.setProgram(program)
			q.seq, q.memo, texts[i] = next, memo, text
			next++
			if r.IntN(50) == 0 {
				next += r.Uint64N(1 << r.IntN(12))
			}
			if r.IntN(200) == 0 {
				next -= min(next, r.Uint64N(100))
			}
			continue
		}
		if i%64 == 1 {
			other, otherText = rareProgram(r)
		}
		q.setProgram(other)
		q.seq, texts[i] = r.Uint64N(1<<40), otherText
	}
}
