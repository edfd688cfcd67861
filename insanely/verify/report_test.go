package verify

import (
	"strings"
	"testing"
)

// Columns stand below each other, and what was not asked for has none.
func TestTable(t *testing.T) {
	seen := simulate(t, "percent 95 delay 20ms", 20_000, 1, 1e6)
	lines, _, err := Judge("percent 95 delay 20ms", seen)
	if err != nil {
		t.Fatal(err)
	}
	for i := range lines {
		lines[i].Direction, lines[i].Rule = "tx", "default"
	}
	lines = append(lines, Line{Direction: "tx", Stage: "counter offered", Asked: "20,000", Seen: "20,000", Verdict: OK})
	got := Report{Device: "insane", Slave: "eth0", Seconds: 20.01, Path: "relay", Lines: lines, Notes: []string{"so it is"}}.String()
	const want = `watched insane, slave eth0, for 20s, path relay
tx  default  percent 95       asked 5% lost     seen 4.925% of 20,000                  4.277 … 5.634%          ok
tx  default  percent 95       asked one by one  seen 927 runs of losses                expected 936.5 ± 29.24  ok
tx  default  delay 20ms       asked ≥ 20ms      seen 20ms / 20ms / 20ms (min/p50/p99)                          ok
tx  default  order            asked kept        seen 0 of 19,015 overtaken                                     ok
tx           counter offered  says 20,000       witness 20,000                                                 ok
note: so it is
`
	if got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

// Policies that cannot be judged are said to be, and what differs beside them is found.
func TestNotJudged(t *testing.T) {
	seen := simulate(t, "pass", 2000, 1, 1e6)
	for _, text := range []string{"slot 1ms 2ms", "percent 90 time 1s 1s", "rate 100mbit delay 1ms jitter 1ms", "delay 5ms jitter 1ms each"} {
		skipped := false
		for _, l := range judged(t, text, seen) {
			skipped = skipped || l.Verdict == Skipped
		}
		if !skipped {
			t.Errorf("%s is judged", text)
		}
	}
}

// Every form of a policy is known.
func TestEveryStageIsRead(t *testing.T) {
	for _, text := range strings.Split("percent 95|percent 95 run 3|gemodel 1|gemodel 1 20 70 1|state 1|state 1 20 30 40 1|every 3|exactly 2 of 9|drop 1,5-7|time 1s 2s|percent 90 ecn|duplicate 3 copies 2|corrupt 3 bits 4|rate 1mbit overhead -4 cell 48 overhead 5 queue 5kB mark 1ms|rate 1mbit queue 5|delay 3ms jitter 1ms pareto every 1s correlation 30 reordering|reorder 3 by 2", "|") {
		a, err := read(text)
		if err != nil || len(a.unknown) > 0 {
			t.Errorf("%s: %v, %v", text, a.unknown, err)
		}
	}
	a, _ := read("rate 1mbit overhead -4 cell 48 overhead 5 queue 5kB mark 1ms delay 3ms jitter 1ms pareto every 1s correlation 30 reordering")
	if a.link.bits != 1e6 || a.link.overhead != -4 || a.link.cell != 48 || a.link.header != 5 || a.link.bytes != 5000 || a.link.mark != 1e6 ||
		a.delay.time != 3e6 || a.delay.jitter != 1e6 || a.delay.slice != 1e9 || a.delay.keep != 0.3 || !a.delay.reordering {
		t.Errorf("it is read as %+v", a)
	}
}
