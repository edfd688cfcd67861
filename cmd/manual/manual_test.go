package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// The pages in this folder are those that the texts of --help make.
func TestPagesAreCurrent(t *testing.T) {
	want := pages()
	for name, text := range want {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		} else if string(got) != text {
			t.Errorf("%s is stale: run go generate ./cmd/manual", name)
		}
	}
	there, err := filepath.Glob("*.[0-9]")
	if err != nil || len(there) != len(want) {
		t.Errorf("pages %v, want %d: %v", there, len(want), err)
	}
}

// mandoc finds nothing to complain about, and each page has the sections that people look for.
func TestPagesAreWellFormed(t *testing.T) {
	_, err := exec.LookPath("mandoc")
	for name, text := range pages() {
		for _, title := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"} {
			if !strings.Contains(text, "\n.Sh "+title+"\n") {
				t.Errorf("%s has no section %s", name, title)
			}
		}
		if err != nil && os.Getenv("INSANE_ROOT") != "1" {
			continue // make tools installs it
		}
		lint := exec.Command("mandoc", "-T", "lint", "-W", "warning")
		lint.Stdin = strings.NewReader(text)
		if out, err := lint.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

var (
	notWord  = regexp.MustCompile(`[^a-zA-Z0-9]+`)
	numbered = regexp.MustCompile(`\\\[u[0-9A-F]+\]`)
)

// words are the words of a text, without punctuation and macros.
func words(text string) (list []string) {
	text = numbered.ReplaceAllString(text, " ")
	text = strings.NewReplacer(`\-`, "-", `\&`, "", `\(dq`, `"`, `\(aq`, "'", `\e`, `\`).Replace(text)
	for _, w := range strings.Fields(text) {
		list = append(list, strings.FieldsFunc(w, func(r rune) bool { return notWord.MatchString(string(r)) })...)
	}
	return list
}

// A page has every word of the text that it is made of, whatever is added to that.
func TestPagesAreWhole(t *testing.T) {
	made := pages()
	for name, source := range map[string]string{"insane.8": deviceText(), "insanely.8": controlText()} {
		has := make(map[string]int)
		for _, w := range words(made[name]) {
			has[w]++
		}
		want := make(map[string]int)
		for _, w := range words(source) {
			if w != "FLAGS" && w != strings.TrimSuffix(name, ".8") {
				want[w]++
			}
		}
		for w, n := range want {
			if has[w] < n && has[strings.ToUpper(w[:1])+w[1:]] == 0 {
				t.Errorf("%s has %q %d times, the help %d times", name, w, has[w], n)
			}
		}
	}
}

// Every flag that help explains is an item of its own.
func TestFlagsAreItems(t *testing.T) {
	flag := regexp.MustCompile(`(?m)^  --([a-z-]+)`)
	made := pages()
	for name, source := range map[string]string{"insane.8": deviceText(), "insanely.8": controlText()} {
		found := flag.FindAllStringSubmatch(source, -1)
		if len(found) < 8 {
			t.Errorf("%s: flags found: %v", name, found)
		}
		for _, m := range found {
			if !strings.Contains(made[name], "\n.It Fl "+typed("-"+m[1])) {
				t.Errorf("%s has no item for --%s", name, m[1])
			}
		}
	}
}

// Every form of a policy and of a match is an item.
func TestFormsAreItems(t *testing.T) {
	made := pages()
	for _, f := range policy.Forms() {
		if !strings.Contains(made["insane-policy.7"], "\n.It "+form(f.Usage)+"\n") {
			t.Errorf("no item for %s", f.Usage)
		}
	}
	for _, f := range match.Forms() {
		if !strings.Contains(made["insane-rules.5"], "\n.It "+form(f.Usage)+"\n") {
			t.Errorf("no item for %s", f.Usage)
		}
	}
}

// The examples are right.
func TestExamples(t *testing.T) {
	for _, text := range policies {
		if _, err := policy.Parse(text); err != nil {
			t.Error(err)
		}
	}
	if list, err := policy.ParseRules(rules, "office.rules"); err != nil || len(list) != 3 {
		t.Errorf("%d rules: %v", len(list), err)
	}
}

// sample is a text with all habits.
const sample = `foo - does things

  foo [FLAG...] do WHAT    do it, and do
                           it again
  foo [FLAG...] undo WHAT [before THAT]
                           undo it

WHAT is a thing. More
of it:
  these, those,
  that

KINDS: the first is best:
  a      one
  b      two
  long [and
      longer]
         three

FLAGS (anywhere)
  --for DURATION   how long
  --long-name NAME of it
                   (default: short
                   foo)
  --kind KIND      one of these
                   auto  of
                         its own
                   none  nothing
`

// A text is taken apart by its habits, whatever words it has.
func TestParse(t *testing.T) {
	m := parse(sample)
	if m.name != "foo" || m.summary != "does things" || len(m.synopsis) != 2 || len(m.sections) != 3 {
		t.Fatalf("%+v", m)
	}
	if s := m.synopsis; s[0].term != "foo [FLAG...] do WHAT" || s[0].about[0].paragraph != "do it, and do it again" ||
		s[1].term != "foo [FLAG...] undo WHAT [before THAT]" || s[1].about[0].paragraph != "undo it" {
		t.Errorf("synopsis %+v", s)
	}
	if s := m.sections[0]; s.title != "" || s.blocks[0].paragraph != "WHAT is a thing. More of it:" || !s.blocks[1].setOff {
		t.Errorf("%+v", s)
	}
	if s := m.sections[1]; s.title != "KINDS" || s.blocks[0].paragraph != "The first is best:" || len(s.blocks[1].items) != 3 || s.blocks[1].items[2].term != "long [and longer]" {
		t.Errorf("%+v", s)
	}
	s := m.sections[2]
	if s.title != "FLAGS" || s.blocks[0].paragraph != "Anywhere." || len(s.blocks[1].items) != 3 {
		t.Fatalf("%+v", s)
	}
	flags := s.blocks[1].items
	if flags[0].term != "--for DURATION" || flags[1].term != "--long-name NAME" || flags[1].about[0].paragraph != "of it (default: short foo)" {
		t.Errorf("%+v", flags)
	}
	if kinds := flags[2].about[1].items; !slices.Equal([]string{kinds[0].term, kinds[1].term}, []string{"auto", "none"}) ||
		kinds[0].about[0].paragraph != "of its own" {
		t.Errorf("%+v", kinds)
	}
}
