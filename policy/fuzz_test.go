package policy

import (
	"errors"
	"math"
	"strings"
	"testing"
	"unicode"
)

// FuzzParse reads any text. What is accepted prints as a text that reads as an
// equal policy and compiles to a program that can be run; what is refused is
// refused in one printable line.
func FuzzParse(f *testing.F) {
	for _, c := range goodTexts {
		f.Add(c.text)
	}
	for _, c := range badTexts {
		f.Add(c.text)
	}
	for _, v := range []string{"1h2m3.004005006s", "0.0000000000125h", "1μs", "1000000h1ns", "0x1p4", "-0", "５０"} {
		f.Add("time " + v + " " + v + " percent " + v + " every " + v)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			checkRefused(t, p, err)
			return
		}
		checkAccepted(t, p)
	})
}

func checkRefused(t *testing.T, p Policy, err error) {
	var field *FieldError
	if !errors.As(err, &field) {
		t.Fatalf("a %T, want a *FieldError", err)
	}
	if p != (Policy{}) {
		t.Errorf("refused, and left %v", p)
	}
	msg := err.Error()
	if i := strings.IndexFunc(msg, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("%q is not printable at byte %d", msg, i)
	}
	if !strings.HasPrefix(msg, field.Field+` "`) || len(msg) > 512 {
		t.Errorf("refused with %q", msg)
	}
}

func checkAccepted(t *testing.T, p Policy) {
	text := p.String()
	again, err := Parse(text)
	if err != nil || again != p {
		t.Fatalf("%q reads as %+v, %v; want %+v", text, again, err, p)
	}
	if again.String() != text {
		t.Errorf("%q prints as %q", text, again)
	}
	for _, epoch := range []Time{0, math.MaxInt64, math.MaxUint64} {
		prog := p.Compile(epoch, 1)
		for _, now := range []Time{0, 1, math.MaxUint64} {
			a, b := prog.Decide(now, 0), prog.Decide(now, math.MaxUint64)
			if !asked(prog, a.By) || !asked(prog, b.By) || prog.Uniform(2) && a != b {
				t.Errorf("%q at %d: %v, %v", text, now, a, b)
			}
		}
		if p == (Policy{}) != (prog == Program{}) {
			t.Errorf("%q compiles to %+v", text, prog)
		}
	}
}

// asked says whether a verdict is one that the program can give.
func asked(prog Program, v Stage) bool { return v == Relay || prog.Stages&(1<<v) != 0 }
