package policy

import "testing"

// A compiled policy has the set of its stages, and a set has names.
func TestStages(t *testing.T) {
	for text, want := range map[string]string{
		"pass":                   "",
		"percent 100":            "percent",
		"time 1s 0":              "time",
		"time 1s 1s percent 0.5": "percent, time",
		"time 1s 1s every 2":     "every, time",
		"slot 1 reorder 1 delay 1 queue 1 rate 1bit corrupt 1 duplicate 1 ecn every 1": "every, ecn, duplicate, corrupt, rate, queue, delay, reorder, slot",
		"drop 1 exactly 1 of 2 state 1 gemodel 1 loss 1 run 5":                         "percent, run, gemodel, state, exactly, drop",
		"percent 100 run 5": "percent",
	} {
		p, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Compile(7, 9).Stages.String(); got != want {
			t.Errorf("%s: stages %q, want %q", text, got, want)
		}
	}
	if got, want := (Stages(1)<<63 | 1<<1 | 1).String(), "percent, stage 0, stage 63"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
