package policy

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The verdicts of written-down seeds never change. The test of the eBPF programs reads
// the same file (insane/kern, decide_test.go).
func TestGoldenTraces(t *testing.T) {
	text, err := os.ReadFile("testdata/traces.txt")
	if err != nil {
		t.Fatal(err)
	}
	traces, given := 0, map[string]bool{}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		words := strings.SplitN(line, " ", 3)
		if len(words) < 3 || line[0] == '#' {
			continue
		}
		seed, err := strconv.ParseUint(words[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		step, err := time.ParseDuration(words[1])
		if err != nil {
			t.Fatal(err)
		}
		traces++
		given[strings.Fields(words[2])[0]] = true
		for _, epoch := range []uint64{0, 123_456_789_012} {
			prog := compile(t, words[2], Time(epoch), seed)
			var got strings.Builder
			for n := range uint64(len(lines[i+1])) {
				v := prog.Decide(Time(epoch+n*uint64(step)), n)
				got.WriteByte(".123456789abcdef"[v.By])
			}
			if got.String() != lines[i+1] {
				t.Errorf("%s\n got %s\nwant %s", line, got.String(), lines[i+1])
			}
		}
	}
	for _, form := range Forms()[:8] { // those that the kernel knows
		if !given[form.Name] {
			t.Errorf("no trace of %d begins with %s", traces, form.Name)
		}
	}
}
