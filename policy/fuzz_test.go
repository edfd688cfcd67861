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
	for _, text := range []string{
		"percent 99 run 5 rate 10mbit overhead -14 cell 48 overhead 5 queue 50ms mark 5ms delay 20ms jitter 5ms paretonormal every 3 correlation 25% reordering reorder 1 by 3",
		"duplicate 1 copies 100 corrupt 1 bits 100 slot 0 15ms packets 1 bytes 1.5kB", "delay 24h jitter 24h every 24h correlation 99", "rate 1000tbit queue 1000000GB",
		"loss 1% run 1.2 gemodel 1 10 50 0.1 state 1 10 20 30 0.2 exactly 3 of 10 drop 1,5-7", "percent 0.000001 run 99999999", "gemodel 100 100", "state 100",
		"exactly 1000000 of 1000000 drop 1000000000000", "loss 1% 25%",
	} {
		f.Add(text)
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
		prog.Copy(epoch, 5, 1)
		prog.MaxDelay(epoch)
		if _, left := prog.LinkTime(1514, 0); left != 0 && left >= prog.RateBits {
			t.Errorf("%q: %d left", text, left)
		}
		if places := prog.Flip(nil, 5, 0, 100); prog.CorruptBits != uint64(len(places)) {
			t.Errorf("%q: %d places", text, len(places))
		}
		if (prog.SlotLength(5) != 0) != (prog.SlotMax != 0) {
			t.Errorf("%q: slot of %d ns", text, prog.SlotLength(5))
		}
		if p == (Policy{}) != (prog == Program{}) {
			t.Errorf("%q compiles to %+v", text, prog)
		}
	}
}

// asked says whether a verdict is one that the program can give.
func asked(prog Program, v Stage) bool { return v == Relay || prog.Stages&(1<<v) != 0 }
