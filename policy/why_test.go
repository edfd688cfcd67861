package policy_test

import (
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/policy"
)

// A draw is below its bound if and only if the stage loses the packet.
func TestDrawOf(t *testing.T) {
	for text, by := range map[string]policy.Stage{
		"percent 95": policy.ByPercent, "gemodel 10 20 70 5": policy.ByGEModel, "percent 0": policy.ByPercent, "percent 100": policy.ByPercent,
	} {
		p, err := policy.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		program := p.Compile(0, 7)
		for seq := range uint64(2000) {
			d, ok := program.DrawOf(by, seq)
			if lost := program.Decide(0, seq).Lost(); !ok || lost != (policy.Chance(d.Value) < d.Below) {
				t.Fatalf("%s: packet %d: lost %v, %v", text, seq, lost, d)
			}
		}
		if _, ok := program.DrawOf(policy.ByTime, 1); ok {
			t.Errorf("%s: a draw of a stage that is not there", text)
		}
	}
}

// Why says what decides, as far as the settings do not.
func TestWhy(t *testing.T) {
	const second = 1_000_000_000
	for _, c := range []struct {
		text string
		by   policy.Stage
		at   policy.Time
		seq  uint64
		want string
	}{
		{"percent 50", policy.ByPercent, 0, 3, "draw "},
		{"percent 50 run 3", policy.ByPercent, 0, 3, " state"},
		{"gemodel 1 10", policy.ByGEModel, 0, 3, " state"},
		{"gemodel 50 50 70 5", policy.ByGEModel, 0, 3, " state, draw "},
		{"state 10 20", policy.ByState, 0, 3, "state "},
		{"every 10", policy.ByEvery, 0, 19, "packet 10 of 10"},
		{"exactly 3 of 100", policy.ByExactly, 0, 250, "of the numbers 200 to 299"},
		{"time 1s 500ms", policy.ByTime, 1*second + 200_000_000, 0, "200ms after OFF"},
		{"time 1s 500ms", policy.ByTime, 10_000_000, 0, "10ms after ON"},
		{"drop 1", policy.ByDrop, 0, 0, ""},
		{"drop 1", policy.ByTime, 0, 0, ""},
	} {
		p, err := policy.Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		program := p.Compile(0, 7)
		if got := program.Why(c.by, c.at, c.seq); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: packet %d: %q, want %q", c.text, c.seq, got, c.want)
		}
		if want, _ := strings.CutPrefix(p.String(), "pass"); c.by.String() == p.Mode() && p.StageText(c.by) != want {
			t.Errorf("%s: stage %q", c.text, p.StageText(c.by))
		}
	}
	if got := (policy.Draw{Value: 1 << 31, Below: policy.Always}).String(); got != "draw 0.5000, lost below 1.0000" {
		t.Error(got)
	}
}
