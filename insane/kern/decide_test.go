package kern

import (
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/seed-39a139a1/insane/policy"
)

//go:generate go tool bpf2go -target bpfel,bpfeb decide decide_test.c -- -O2 -mcpu=v3 -mllvm -no-stack-slot-sharing -Wall -Werror

// question is struct question of decide_test.c.
type question struct {
	program        sharedProgram
	now, seq       uint64
	segments       uint64
	memo           uint64 // index in the memos
	verdict, whole uint64 // the answers
}

// setProgram makes the question one about a program. The fields that the C does not know
// are left out.
func (q *question) setProgram(p policy.Program) { q.program = *(*sharedProgram)(unsafe.Pointer(&p)) }

// asked returns the program of the question, with zero in the fields that were left out.
func (q *question) asked() (p policy.Program) {
	*(*sharedProgram)(unsafe.Pointer(&p)) = q.program
	return p
}

// newQuestions loads the program that answers. It returns the memory for the questions
// and a function that has all of them answered.
func newQuestions(t *testing.T) (questions []question, answer func()) {
	t.Helper()
	questions, _, answer = newQuestionsWithMemos(t)
	return questions, answer
}

// newQuestionsWithMemos returns the memos as well, which are empty.
func newQuestionsWithMemos(t *testing.T) (questions []question, memos []sharedMemo, answer func()) {
	t.Helper()
	needRoot(t)
	var objects decideObjects
	must(t, loadDecideObjects(&objects, nil))
	t.Cleanup(func() { objects.Close() })
	questions, err := share[question](objects.Questions)
	must(t, err)
	memos, err = shareParts[sharedMemo](objects.Facts)
	memos = memos[:16]
	must(t, err)
	return questions, memos, func() {
		t.Helper()
		answered, err := objects.Answer.Run(&ebpf.RunOptions{})
		must(t, err)
		if int(answered) != len(questions) {
			t.Fatalf("%d of %d questions answered", answered, len(questions))
		}
	}
}

// oneOf draws one of the values, or a random one as often as each of them.
func oneOf(r *rand.Rand, values ...uint64) uint64 {
	if i := r.IntN(len(values) + 1); i < len(values) {
		return values[i]
	}
	return r.Uint64() >> r.IntN(64)
}

// ask fills in a question about a random program. Decide and Uniform are defined for all
// values, also for programs that no policy compiles to.
func (q *question) ask(r *rand.Rand) {
	const hour = uint64(time.Hour)
	var p policy.Program
	p.PercentDrop = oneOf(r, 0, 1, uint64(r.Uint32()), uint64(r.Uint32()), math.MaxUint32, 1<<32, 1<<32+1)
	p.PercentKey = oneOf(r, 0, r.Uint64(), r.Uint64(), math.MaxUint64)
	p.TimeCycle = oneOf(r, 0, 0, 1, r.Uint64N(hour), r.Uint64N(hour), math.MaxUint64)
	p.TimeOn = oneOf(r, 0, p.TimeCycle/2, p.TimeCycle-1, p.TimeCycle, p.TimeCycle+1, r.Uint64N(p.TimeCycle|1))
	p.EveryN = oneOf(r, 0, 0, 0, 1, 2, 3, 45, math.MaxUint64)
	q.now = oneOf(r, 0, r.Uint64N(hour), r.Uint64N(1000*hour), math.MaxUint64)
	// Before the clock, at it, a whole number of cycles ago, and to come.
	p.TimeEpoch = oneOf(r, 0, r.Uint64N(q.now|1), q.now-1, q.now, q.now+1, q.now-7*p.TimeCycle, q.now+r.Uint64N(hour))
	if r.IntN(64) == 0 {
		askRarely(r, &p)
	}
	q.setProgram(p)
	q.seq = oneOf(r, 0, r.Uint64N(1<<40), r.Uint64N(1<<40), math.MaxUint64)
	q.segments, q.memo = oneOf(r, 0, 1, 2, 45)&math.MaxUint32, noMemo
	q.verdict, q.whole = math.MaxUint64, math.MaxUint64
}

// A packet has the same verdict in the kernel and in the relay, whatever the
// program, the time and the number.
func TestVerdictsAreThePolicys(t *testing.T) {
	questions, answer := newQuestions(t)
	r := rand.New(rand.NewPCG(8, 1))
	decisions := 10_000_000 / raceDivisor
	drops, wholes := 0, 0
	for asked := 0; asked < decisions; asked += len(questions) {
		for i := range questions {
			questions[i].ask(r)
		}
		answer()
		for i := range questions {
			q := &questions[i]
			program := q.asked()
			verdict := program.Decide(policy.Time(q.now), q.seq)
			whole := uint64(0)
			if program.Uniform(uint32(q.segments)) {
				whole = 1
			}
			if q.verdict == notFound && program.Remembers() {
				continue
			}
			if q.verdict != uint64(verdict.By) || q.whole != whole {
				t.Fatalf("%+v: want verdict %v, whole %d", *q, verdict, whole)
			}
			if verdict.Lost() {
				drops++
			}
			wholes += int(whole)
		}
	}
	// If all answers were equal, the comparison would be worth nothing.
	for what, n := range map[string]int{"dropped": drops, "whole": wholes} {
		if n < decisions/4 || n > decisions*9/10 {
			t.Errorf("%d of %d %s", n, decisions, what)
		}
	}
}

// The same for typical policies, over ranges of numbers and of time.
func TestVerdictsOfPolicies(t *testing.T) {
	questions, answer := newQuestions(t)
	for i, text := range []string{
		"pass", "percent 0", "percent 100", "percent 50", "percent 99.999999", "percent 0.000001",
		"percent 99 run 5", "percent 50 run 1", "gemodel 1 10 50 0.1", "state 1 10 20 30 0.2", "exactly 3 of 10", "drop 1,5-7,100-200",
		"time 1s 1s", "time 10 0", "time 0 10", "every 1", "every 3", "every 100 time 1s 1s", "percent 80 every 7", "percent 80 time 500ms 100ms",
	} {
		pol, err := policy.Parse(text)
		must(t, err)
		program := pol.Compile(policy.Time(i)*1e9, uint64(i))
		for j := range questions {
			questions[j] = question{now: uint64(j) * 1e6, seq: uint64(j), segments: 2, memo: noMemo}
			questions[j].setProgram(program)
		}
		answer()
		for j := range questions {
			q := &questions[j]
			if want := program.Decide(policy.Time(q.now), q.seq).By; policy.Stage(q.verdict) != want {
				t.Fatalf("%s: packet %d at %d: %v, want %v", text, q.seq, q.now, policy.Stage(q.verdict), want)
			}
			if want := program.Uniform(2); (q.whole == 1) != want {
				t.Fatalf("%s: whole %d, want %v", text, q.whole, want)
			}
		}
	}
}

// The golden traces of package policy hold in the kernel, too.
func TestGoldenTraces(t *testing.T) {
	text, err := os.ReadFile("../../policy/testdata/traces.txt")
	must(t, err)
	questions, answer := newQuestions(t)
	lines, traces := strings.Split(string(text), "\n"), 0
	for i, line := range lines {
		words := strings.SplitN(line, " ", 3)
		if len(words) < 3 || line[0] == '#' {
			continue
		}
		seed, err := strconv.ParseUint(words[0], 10, 64)
		must(t, err)
		step, err := time.ParseDuration(words[1])
		must(t, err)
		pol, err := policy.Parse(words[2])
		must(t, err)
		program := pol.Compile(1e9, seed)
		want := lines[i+1]
		for n := range questions {
			questions[n] = question{now: uint64(1e9 + n*int(step)), seq: uint64(n), memo: noMemo}
			questions[n].setProgram(program)
		}
		answer()
		for n := range want {
			if got := ".123456789abcdef"[questions[n].verdict]; got != want[n] {
				t.Errorf("%s: packet %d: %c, want %c", line, n, got, want[n])
			}
		}
		traces++
	}
	if traces < 10 {
		t.Errorf("%d traces", traces)
	}
}
