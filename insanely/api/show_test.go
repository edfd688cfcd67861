package api

import (
	"testing"
	"unicode/utf8"
)

// A name is shown as text that can be printed, and read back as it was.
func TestShowName(t *testing.T) {
	for name, want := range map[string]string{
		"eth0":           "eth0",
		"größe":          "größe",
		"e\xff":          `e\xff`,
		"\x1b[2J":        `\x1b[2J`,
		`a\b`:            `a\x5cb`,
		`a\xff`:          `a\x5cxff`,
		"a\u202eb":       `a\xe2\x80\xaeb`,
		"\ufffd":         "\ufffd", // a character like others
		"gr\xc3":         `gr\xc3`, // the first half of ö
		"a\u2003":        `a\xe2\x80\x83`,
		"tab\tand\nmore": `tab\x09and\x0amore`,
		"":               "",
	} {
		got := ShowName(name)
		if got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
		if back := ReadName(got); back != name {
			t.Errorf("%q was shown as %s and read as %q", name, got, back)
		}
	}
}

// A backslash that begins no escape is a part of the name.
func TestReadName(t *testing.T) {
	for text, want := range map[string]string{
		`a\b`: `a\b`, `\x`: `\x`, `\xf`: `\xf`, `\xgg`: `\xgg`, `\x-1`: `\x-1`, `\xFF`: "\xff", `\x\x41`: `\xA`,
	} {
		if got := ReadName(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// A text keeps its lines and its backslashes.
func TestShowText(t *testing.T) {
	if got, want := ShowText("look\n\\up \xfe\x07"), "look\n\\up \\xfe\\x07"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzShowName(f *testing.F) {
	f.Add("eth0")
	f.Add("e\xff\\x41")
	f.Fuzz(func(t *testing.T, name string) {
		shown := ShowName(name)
		if !utf8.ValidString(shown) || ReadName(shown) != name {
			t.Errorf("%q was shown as %q and read as %q", name, shown, ReadName(shown))
		}
	})
}

// The seed of a change is a number, digits, or both if they are the same.
func TestWantedSeed(t *testing.T) {
	most := uint64(1<<64 - 1)
	for _, tt := range []struct {
		change Change
		want   *uint64
		ok     bool
	}{
		{Change{}, nil, true},
		{Change{Seed: new(uint64(7))}, new(uint64(7)), true},
		{Change{SeedText: new("18446744073709551615")}, &most, true},
		{Change{SeedText: new("18446744073709551615"), Seed: &most}, &most, true},
		{Change{SeedText: new("8"), Seed: new(uint64(7))}, nil, false},
		{Change{SeedText: new("18446744073709551616")}, nil, false},
		{Change{SeedText: new("")}, nil, false},
		{Change{SeedText: new("-1")}, nil, false},
	} {
		got, err := tt.change.WantedSeed()
		if (err == nil) != tt.ok || (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("%+v: %v, %v", tt.change, got, err)
		}
	}
}
