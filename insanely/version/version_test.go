package version

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/urfave/cli/v2"
)

// printedBy returns what an app prints for --version.
func printedBy(t *testing.T, more func() string) string {
	t.Helper()
	var out bytes.Buffer
	app := &cli.App{Name: "a", Writer: &out, Action: func(*cli.Context) error { t.Error("the app ran"); return nil }}
	Add(app, more)
	if err := app.Run([]string{"a", "--version"}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Each app prints its own text, whichever was made last.
func TestVersion(t *testing.T) {
	want := regexp.MustCompile(`^a version \S+\ncommit  \S.*\ngo      go1\.\d+\S* linux/\w+\n$`)
	if text := printedBy(t, nil); !want.MatchString(text) {
		t.Errorf("%q", text)
	}
	if text := printedBy(t, func() string { return Line("tun", "yes") }); !want.MatchString(text[:len(text)-len("tun     yes\n")]) {
		t.Errorf("%q", text)
	}
}

// A release says what its build has set.
func TestRelease(t *testing.T) {
	number, commit, date = "1.2.3", "0123abcd", "2000-01-02"
	defer func() { number, commit, date = "", "", "" }()
	if text := Text("insane"); !regexp.MustCompile(`^insane version 1\.2\.3\ncommit  0123abcd, 2000-01-02\n`).MatchString(text) {
		t.Errorf("%q", text)
	}
}

// The function more is called only if somebody asks.
func TestLazy(t *testing.T) {
	var out bytes.Buffer
	app := &cli.App{Name: "a", Writer: &out, Action: func(*cli.Context) error { return nil }}
	Add(app, func() string { t.Error("more was called"); return "" })
	if err := app.Run([]string{"a"}); err != nil {
		t.Fatal(err)
	}
}
