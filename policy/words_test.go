package policy

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of policies into README.md, and the traces of testdata/held.txt")

// A policy has a meaning in words: one stage has its own, several are put together.
func TestMeaning(t *testing.T) {
	for text, want := range map[string]string{
		"pass":                         "all packets relayed",
		"percent 60":                   "60 % of packets relayed, 40 % dropped",
		"percent 33.333333":            "33.333333 % of packets relayed, 66.666667 % dropped",
		"time 500ms 1s":                "all packets relayed for 500ms, then dropped for 1s",
		"every 1":                      "all packets dropped",
		"every 12":                     "each 12th packet dropped",
		"percent 80 every 5":           "80 % of all packets but each 5th relayed",
		"every 3 time 1s 2s":           "all packets but each 3rd relayed for 1s, then none for 2s",
		"percent 9 every 2 time 1s 2s": "9 % of all packets but each 2nd relayed for 1s, then none for 2s",
		"percent 9 time 1s 2s":         "9 % of packets relayed for 1s, then none for 2s",
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

// The table of policies in README.md is made of the list of stages.
// "go test ./policy -run README -update" writes it.
func TestREADMEHasTheForms(t *testing.T) {
	const file, begin, end = "README.md", "<!-- policies: go test ./policy -run README -update -->\n", "<!-- end of policies -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	was, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no place for the table", file)
	}
	table := "| words | meaning |\n|---|---|\n"
	for _, form := range append(Forms(), Several()) {
		table += "| `" + strings.ReplaceAll(form.Usage, "|", `\|`) + "` | " + form.Summary + " |\n"
	}
	if was == table {
		return
	}
	if !*update {
		t.Fatalf("%s has another table than\n%s", file, table)
	}
	if err := os.WriteFile(file, []byte(before+begin+table+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
