package policy

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sizeOf is the Ethernet length of packet n in the traces.
func sizeOf(n uint64) uint64 { return 60 + n*97%1455 }

// described returns the words of a program about packet n of a trace: its verdict, those of its
// copies in brackets, what it takes on the link, and the length of slot n.
func described(p *Program, arrival Time, n uint64, rest *uint64) string {
	v := p.Decide(arrival, n)
	text := strings.ReplaceAll(v.String(), " ", "_") + places(p, v, n, 0)
	for i := range v.Copies {
		c := p.Copy(arrival, n, i+1)
		text += "[" + strings.ReplaceAll(c.String(), " ", "_") + places(p, c, n, i+1) + "]"
	}
	if p.RateBits != 0 {
		var t Time
		t, *rest = p.LinkTime(sizeOf(n), *rest)
		text += fmt.Sprintf("/%dns", t)
	}
	if p.SlotMin != 0 {
		text += fmt.Sprintf("|%dns", p.SlotLength(n))
	}
	return text
}

// places are the bits that are flipped in a packet or a copy of it.
func places(p *Program, v Verdict, n uint64, ordinal uint32) string {
	if v.Flips == 0 {
		return ""
	}
	return strings.ReplaceAll(fmt.Sprint(p.Flip(nil, n, ordinal, 8*(sizeOf(n)-14))), " ", ",")
}

// The verdicts of stages that hold, copy or damage packets, for written-down seeds, never
// changes. "go test ./policy -run HeldTraces -update" writes the traces of new headings.
func TestHeldTraces(t *testing.T) {
	const file, packets = "testdata/held.txt", 24
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	traces := strings.Split(strings.TrimSpace(string(text)), "\n\n")
	given := map[string]bool{}
	for i, trace := range traces {
		heading, want, _ := strings.Cut(trace, "\n")
		words := strings.SplitN(heading, " ", 3)
		if heading[0] == '#' {
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
		for _, word := range strings.Fields(words[2]) {
			given[word] = true
		}
		for _, epoch := range []uint64{0, 123_456_789_012} {
			prog, got, rest := compile(t, words[2], Time(epoch), seed), "", uint64(0)
			for n := range uint64(packets) {
				got += described(&prog, Time(epoch+n*uint64(step)), n, &rest) + []string{" ", "\n"}[n%4/3]
			}
			got = strings.TrimSpace(got)
			if *update && want == "" {
				want = got
				traces[i] = heading + "\n" + got
			}
			if got != want {
				t.Errorf("%s\n got %s\nwant %s", heading, got, want)
			}
		}
	}
	for _, form := range Forms()[1:] {
		if !given[form.Name] {
			t.Errorf("no trace of %s", form.Name)
		}
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(file, []byte(strings.Join(traces, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
