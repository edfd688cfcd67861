package policy

import (
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// Stages to come have optional and named arguments, some called like a stage. These
// two read as such stages would.

// lateness is "slow T [jitter J [normal] [time T]] [reordering]".
type lateness struct {
	onOff
	delay, jitter, slice unit.Span
	normal, reordering   bool
}

func (s *lateness) usage() string { return "slow T [jitter J [normal] [time T]] [reordering]" }

func (s *lateness) parse(c *cursor) {
	s.delay = take(c, "T", unit.ParseSpan)
	if c.named("jitter") {
		s.jitter = take(c, "jitter", unit.ParseSpan)
		s.normal = c.named("normal")
		if c.named("time") { // and not the stage of that name
			s.slice = take(c, "time", unit.ParseSpan)
		}
	}
	s.reordering = c.named("reordering")
	if s.jitter > s.delay {
		c.refuse("the jitter is above the delay")
	}
}

// chain is "chain P R [BAD [GOOD]]".
type chain struct {
	percent
	p, r, bad, good unit.Percent
}

func (s *chain) usage() string { return "chain P R [BAD [GOOD]]" }

func (s *chain) parse(c *cursor) {
	s.p, s.r, s.bad = take(c, "P", unit.ParsePercent), take(c, "R", unit.ParsePercent), unit.Hundred
	if c.argument() {
		s.bad = take(c, "BAD", unit.ParsePercent)
	}
	if c.argument() {
		s.good = take(c, "GOOD", unit.ParsePercent)
	}
}

func TestOptionalAndNamedArguments(t *testing.T) {
	const second = unit.Span(1_000_000_000)
	for text, want := range map[string]lateness{
		"2s":                                       {delay: 2 * second},
		"2s reordering":                            {delay: 2 * second, reordering: true},
		"2s jitter 1s normal":                      {delay: 2 * second, jitter: second, normal: true},
		"2s jitter 1s time 3s reordering":          {delay: 2 * second, jitter: second, slice: 3 * second, reordering: true},
		"2s jitter 1s reordering | time 3s 3s":     {delay: 2 * second, jitter: second, reordering: true},
		"2s jitter 1s normal time 4s | percent 80": {delay: 2 * second, jitter: second, normal: true, slice: 4 * second},
		"2s | pass":                                {delay: 2 * second},
	} {
		var got lateness
		readAs(t, "slow", &got, text)
		if got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	for text, want := range map[string]chain{
		"1 10":                 {p: 1_000_000, r: 10_000_000, bad: unit.Hundred},
		"1 10 50":              {p: 1_000_000, r: 10_000_000, bad: unit.Hundred / 2},
		"1 10 50 2 | time 1 1": {p: 1_000_000, r: 10_000_000, bad: unit.Hundred / 2, good: 2_000_000},
		"1 10 | percent 50":    {p: 1_000_000, r: 10_000_000, bad: unit.Hundred},
	} {
		var got chain
		readAs(t, "chain", &got, text)
		if got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// readAs lets a stage read a text up to "|", and checks that it leaves what follows.
func readAs(t *testing.T, name string, s stage, text string) {
	t.Helper()
	own, rest, _ := strings.Cut(text, "|")
	c := cursor{words: strings.Fields(own + " " + rest)}
	if err := c.read(nil, row{name: name, settings: func(*Policy) stage { return s }}); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	if left := strings.Join(c.words, " "); left != strings.TrimSpace(rest) {
		t.Errorf("%s: %q is left", text, left)
	}
}

// An error in the form of a text comes first, then the first bad value.
func TestCursorErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                    `slow "": incomplete; want slow T [jitter J [normal] [time T]] [reordering]`,
		"x jitter":            `slow "x jitter": incomplete; want slow T [jitter J [normal] [time T]] [reordering]`,
		"2s jitter percent 5": `slow "2s jitter": incomplete; want slow T [jitter J [normal] [time T]] [reordering]`,
		"x jitter y":          `slow T "x": must be a duration such as 500ms or 1.5s, or a whole number of jiffies of 10ms`,
		"2s jitter 1":         ``,
		"2s jitter 5x":        `slow jitter "5x": must have a unit h, m, s, ms, us or ns behind each number`,
		"1s jitter 2s":        `slow "1s jitter 2s": the jitter is above the delay`,
		"x normal":            `policy "normal": unexpected after slow T [jitter J [normal] [time T]] [reordering]; want ` + Grammar(),
	} {
		c := cursor{words: strings.Fields(text)}
		err := c.read(nil, row{name: "slow", settings: func(*Policy) stage { return new(lateness) }})
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}
