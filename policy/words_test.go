package policy

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/policy/match"
)

var update = flag.Bool("update", false, "write the tables of README.md, and the traces of testdata/held.txt")

// A policy has a meaning in words: one stage has its own, several are put together.
func TestMeaning(t *testing.T) {
	for text, want := range map[string]string{
		"pass":                                  "all packets relayed",
		"percent 60":                            "60 % of packets relayed, 40 % dropped",
		"percent 33.333333":                     "33.333333 % of packets relayed, 66.666667 % dropped",
		"time 500ms 1s":                         "all packets relayed for 500ms, then dropped for 1s",
		"every 1":                               "all packets dropped",
		"every 12":                              "each 12th packet dropped",
		"percent 99 run 5":                      "99 % of packets relayed, 1 % dropped, 5 in a row on average",
		"percent 99 run 5 every 3 delay 20ms":   "99 % of all packets but each 3rd relayed, losses 5 in a row on average, 20ms later",
		"gemodel 1 10":                          "100 % of packets dropped in bursts that begin with 1 % of packets and end with 10 %",
		"gemodel 1 10 50 0.1":                   "50 % of packets dropped in bursts that begin with 1 % of packets and end with 10 %, 0.1 % between them",
		"state 1 10 20 30 0.2":                  "packets dropped in bursts that begin with 1 % of packets and end with 10 %",
		"exactly 3 of 10":                       "exactly 3 of each 10 packets dropped",
		"drop 1,5-7":                            "all packets but the numbers 1,5-7 relayed",
		"drop 1":                                "all packets but number 1 relayed",
		"gemodel 1 exactly 3 of 10 drop 1,5-7":  "all packets but the numbers 1,5-7 but 3 of each 10 but those lost in bursts relayed",
		"percent 80 every 5":                    "80 % of all packets but each 5th relayed",
		"every 3 time 1s 2s":                    "all packets but each 3rd relayed for 1s, then none for 2s",
		"percent 9 every 2 time 1s 2s":          "9 % of all packets but each 2nd relayed for 1s, then none for 2s",
		"percent 9 time 1s 2s":                  "9 % of packets relayed for 1s, then none for 2s",
		"delay 20ms":                            "all packets relayed, 20ms later",
		"delay 20ms jitter 5ms":                 "all packets relayed, 20ms later, give or take 5ms",
		"delay 1s jitter 5ms normal":            "all packets relayed, 1s later on average, standard deviation 5ms",
		"delay 0 jitter 10ms normal":            "all packets relayed, 3.989718ms later on average, standard deviation 5.838532ms",
		"percent 99.5 delay 20ms":               "99.5 % of packets relayed, 20ms later",
		"rate 10mbit":                           "all packets relayed, at 10mbit",
		"rate 1mbit queue 5 mark 9ms":           "all packets relayed, at 1mbit, through a queue of 5 packets, marked if they wait longer than 9ms",
		"duplicate 1":                           "all packets relayed, 1 % of them twice",
		"duplicate 1 copies 3":                  "all packets relayed, 1 % of them 4 times",
		"corrupt 0.1":                           "all packets relayed, 0.1 % of them with 1 bit flipped",
		"reorder 2 by 3":                        "all packets relayed, 2 % of them 3 packets later",
		"slot 5ms 15ms packets 20":              "all packets relayed, in bursts each 5ms to 15ms of at most 20 packets",
		"slot 5ms bytes 1kB":                    "all packets relayed, in bursts each 5ms of at most 1kB",
		"percent 99 ecn":                        "99 % of packets relayed, what is dropped marked CE instead where it is ECN-capable",
		"every 2 time 1s 1s corrupt 5 delay 1s": "all packets but each 2nd relayed for 1s, then none for 1s, 5 % of them with 1 bit flipped, 1s later",
	} {
		p, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Meaning(); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// A share is exact.
func TestShares(t *testing.T) {
	for text, want := range map[string]string{
		"pass":                       "[]",
		"percent 100":                "[{0 100000000 false}]",
		"percent 99.999999":          "[{1 100000000 false}]",
		"percent 50 every 7":         "[{50000000 100000000 false} {1 7 false}]",
		"time 0 5ms":                 "[{5000000 5000000 true}]",
		"time 1ns 2ns":               "[{2 3 true}]",
		"time 1ns 2ns percent 33.33": "[{66670000 100000000 false} {2 3 true}]",
		"delay 1s duplicate 50":      "[]",
		"every 7 rate 1mbit queue 5": "[{1 7 false}]",
		"percent 99 run 5":           "[{1000000 100000000 false}]",
		"exactly 3 of 10":            "[{3 10 false}]",
		"gemodel 1 10":               "[{100000000000000 1100000000000000 false}]",
		"state 1 10":                 "[{10000 110000 false}]",
	} {
		p, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := p.Shares(); !ok || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", text, got, ok, want)
		}
	}
}

// With ecn it depends on the traffic what is lost.
func TestSharesWithECN(t *testing.T) {
	p, err := Parse("percent 50 ecn")
	if err != nil {
		t.Fatal(err)
	}
	if shares, ok := p.Shares(); ok {
		t.Error(shares)
	}
}

// The loss of a list depends on how many packets come; and some fractions are too long.
func TestSharesNotKnown(t *testing.T) {
	for _, text := range []string{"drop 1,5-7", "percent 50 drop 1", "state 33.333333 33.333333 12.345678 98.765433 1.234567"} {
		p, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if shares, ok := p.Shares(); ok {
			t.Errorf("%s: %v", text, shares)
		}
	}
}

// Words for faults beside losses.
func TestAsked(t *testing.T) {
	for text, want := range map[string]Asked{
		"pass": {},
		"percent 5 every 3 time 1s 1s ecn slot 5ms": {},
		"duplicate 1":                     {Copied: Share{Part: 1_000_000, Of: 100_000_000}},
		"duplicate 100 copies 100":        {Copied: Share{Part: 10_000_000_000, Of: 100_000_000}},
		"corrupt 0.5 bits 3":              {Damaged: Share{Part: 500_000, Of: 100_000_000}},
		"reorder 2 by 3":                  {Reordered: Share{Part: 2_000_000, Of: 100_000_000}},
		"rate 10mbit queue 5":             {Rate: 10_000_000},
		"delay 20ms":                      {Delay: 20_000_000},
		"delay 20ms jitter 5ms":           {Delay: 20_000_000, Spread: 2_886_751},
		"delay 1s jitter 5ms pareto":      {Delay: 1_000_000_000, Spread: 5_000_000},
		"delay 0 jitter 10ms normal each": {Delay: 3_989_718, Spread: 5_838_532}, // 10 ms/√(2π), and 10 ms·√(½ − 1/2π)
	} {
		p, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Asked(); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// Forms begin with pass, and each is written as it says.
func TestForms(t *testing.T) {
	if p, err := Parse(Example); err != nil || p.String() != Example {
		t.Errorf("the example %q is %v, %v", Example, p, err)
	}
	for i, form := range Forms() {
		if (i == 0) != (form.Name == pass) || (form.Number == Relay) != (form.Name == pass) {
			t.Errorf("form %d: %+v", i, form)
		}
		if !strings.HasPrefix(form.Usage+" ", form.Name+" ") || form.Summary == "" || strings.ContainsAny(form.Summary, "\n|") {
			t.Errorf("%+v", form)
		}
	}
}

// The tables of policies and of matches in README.md are made of the lists of stages and of
// words. "go test ./policy -run README -update" writes them.
func TestREADMEHasTheForms(t *testing.T) {
	const file = "README.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	now := string(text)
	policies := "| words | meaning |\n|---|---|\n"
	for _, form := range append(Forms(), Several()) {
		policies += line(form.Usage, form.Summary)
	}
	matches := "| words | packets |\n|---|---|\n"
	for _, form := range match.Forms() {
		matches += line(form.Usage, form.Summary)
	}
	for name, table := range map[string]string{"policies": policies, "matches": matches} {
		begin, end := "<!-- "+name+": go test ./policy -run README -update -->\n", "<!-- end of "+name+" -->\n"
		before, rest, ok := strings.Cut(now, begin)
		was, after, ended := strings.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("%s has no place for the table of %s", file, name)
		}
		if was != table && !*update {
			t.Errorf("%s has another table than\n%s", file, table)
		}
		now = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(file, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// line is a line of a table in README.md.
func line(usage, summary string) string {
	return "| `" + strings.ReplaceAll(usage, "|", `\|`) + "` | " + summary + " |\n"
}
