package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// write makes a file for a test and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "office.rules")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// standardInput lets a test read a text from standard input.
func standardInput(t *testing.T, text string) {
	t.Helper()
	file, err := os.Open(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdin
	os.Stdin = file
	t.Cleanup(func() { os.Stdin = before; file.Close() })
}

const office = "# the office\ndns: udp port 53 both percent 99.50\n\nrest: any rx delay 20ms\n"

// Rules come from a file or from standard input, in their order. Without the flag there are
// none, which is not the same as a file without rules: that one is handed over, too.
func TestConfigRules(t *testing.T) {
	clearEnvironment(t)
	standardInput(t, office)
	const canonical = "dns: udp port 53 both percent 99.5\nrest: any rx delay 20ms\n"
	for _, path := range []string{write(t, office), "-"} {
		c := parse(t, io.Discard, "--rules", path)
		if got := c.Rules.String(); got != canonical || c.Policy.String() != "pass" {
			t.Errorf("%s: %q", path, got)
		}
	}
	if c := parse(t, io.Discard); c.Rules != nil {
		t.Errorf("%d rules without a file", len(c.Rules))
	}
	if c := parse(t, io.Discard, "--rules", write(t, "# nothing\n")); c.Rules == nil || len(c.Rules) != 0 {
		t.Errorf("%v of an empty file", c.Rules)
	}
}

// A device may go without what arrives only if no rule and no policy does anything to it.
func TestConfigRulesReceive(t *testing.T) {
	clearEnvironment(t)
	for text, want := range map[string]bool{
		"":                                     true,
		"a: tcp both pass":                     true,
		"a: tcp tx percent 5":                  true,
		"a: tcp tx percent 5 rx pass":          true,
		"a: tcp both percent 5":                false,
		"a: udp tx pass\nb: any rx time 1s 1s": false,
	} {
		if c := parse(t, io.Discard, "--rules", write(t, text)); c.SendOnly != want {
			t.Errorf("%q: SendOnly is %t, want %t", text, c.SendOnly, want)
		}
	}
}

// A bad file is refused with status 2 and one line that names the flag, the file and the line.
func TestBadRules(t *testing.T) {
	standardInput(t, "\n\na: tcp both percent 101\n")
	bad := write(t, "a: tcp both pass\nb: udp tx percent 101\n")
	missing, dir := filepath.Join(t.TempDir(), "missing"), t.TempDir()
	for _, c := range []struct{ path, says string }{
		{bad, "rules: " + bad + `:2: tx percent "101": must be`},
		{"-", `rules: stdin:3: both percent "101": must be`},
		{missing, `rules: "` + missing + `": no such file or directory`},
		{dir, `rules: "` + dir + `": is a directory`},
		{"", `rules: "": no such file or directory`},
		{write(t, strings.Repeat("#", api.MaxRulesFile+1)), `is larger than 16777216 bytes`},
	} {
		status, stdout, stderr := run("--rules", c.path)
		if status != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "insane: ") ||
			strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.says) {
			t.Errorf("%q: status %d, %q, %q; want one line with %q", c.path, status, stdout, stderr, c.says)
		}
	}
	if status, _, stderr := run("--rules", write(t, office)); status != exitFailed || !strings.Contains(stderr, "/proc/nowhere") {
		t.Errorf("status %d, %q; want %d over the control socket", status, stderr, exitFailed)
	}
}
