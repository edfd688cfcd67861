package cli

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// The manual fits a terminal, wherever it is asked for.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"lab", "--help"}, {"lab", "-h"}, {"lab", "--shell", "--help"}} {
		status, stdout, stderr := run(args...)
		if status != exitOK || stderr != "" || !strings.Contains(stdout, "EXIT STATUS") {
			t.Errorf("%q: status %d, %q, %q", args, status, stdout, stderr)
		}
		for line := range strings.Lines(stdout) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%q: %d columns: %s", args, n, line)
			}
			if strings.TrimRight(line, " \n") != strings.TrimSuffix(line, "\n") || strings.Contains(line, "\t") {
				t.Errorf("%q: white space: %q", args, line)
			}
		}
	}
}

var flagAtStart = regexp.MustCompile(`(?m)^  (--[a-z-]+)(?:, (--[a-z-]+))?`)

// named are the flags that a section of the manual explains, sorted.
func named(t *testing.T, section string) (flags []string) {
	t.Helper()
	_, text, found := strings.Cut(help, "\n"+section+"\n")
	if !found {
		t.Fatalf("no section %s", section)
	}
	text, _, _ = strings.Cut(text, "\n\n")
	for _, m := range flagAtStart.FindAllStringSubmatch(text, -1) {
		for _, f := range m[1:] {
			if f != "" {
				flags = append(flags, f)
			}
		}
	}
	slices.Sort(flags)
	return flags
}

// longNames are the flags of a command, sorted.
func longNames(list []cli.Flag) (flags []string) {
	for _, f := range list {
		flags = append(flags, "--"+f.Names()[0])
	}
	slices.Sort(flags)
	return flags
}

// The manual explains the flags there are, and there are those that it explains.
func TestHelpNamesEveryFlag(t *testing.T) {
	if got, want := named(t, "FLAGS"), longNames(daemonFlags()); !slices.Equal(got, want) {
		t.Errorf("the manual explains %v, there are %v", got, want)
	}
	lab := longNames((&program{}).lab().Flags)
	if got, want := named(t, "FLAGS OF LAB"), slices.DeleteFunc(lab, func(f string) bool { return f == "--help" }); !slices.Equal(got, want) {
		t.Errorf("the manual explains %v of lab, there are %v", got, want)
	}
}

// The defaults that the manual promises are those of the flags.
func TestHelpTellsDefaults(t *testing.T) {
	for _, f := range daemonFlags() {
		s, ok := f.(*cli.StringFlag)
		if !ok || s.Value == "" {
			continue
		}
		_, text, _ := strings.Cut(help, "\n  --"+s.Name+" ")
		if text, _, _ = strings.Cut(text, "\n  --"); !strings.Contains(text, "default "+s.Value) {
			t.Errorf("--%s: the manual does not say that the default is %s", s.Name, s.Value)
		}
	}
}

// The manual has a line for every receive mode.
func TestHelpTellsReceiveModes(t *testing.T) {
	_, text, _ := strings.Cut(help, "\n  --receive ")
	text, _, _ = strings.Cut(text, "\n  --")
	for _, mode := range api.ReceiveModes() {
		if !regexp.MustCompile(`(?m)^ +` + mode + ` +\S`).MatchString(text) {
			t.Errorf("the manual does not say what --receive %s means", mode)
		}
	}
}

// The policies among the examples of the manual are policies.
func TestHelpPolicies(t *testing.T) {
	quoted := regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(help, -1)
	for _, m := range quoted {
		if _, err := policy.Parse(m[1]); err != nil {
			t.Error(err)
		}
	}
	if len(quoted) < 4 {
		t.Errorf("%d policies", len(quoted))
	}
}

// The version says what the kernel has, a line for each feature, whatever the rights are.
func TestVersion(t *testing.T) {
	want := regexp.MustCompile(`^insane version \S+\ncommit  .+\ngo      .+\nlinux   \d+\..+\ntun     (yes|no: .+)\nrights  (CAP_\w+( CAP_\w+)*|none)\nebpf    (yes|no: .+)\ntcx     (yes|no: .+)\n$`)
	for _, arg := range []string{"--version", "-v"} {
		if status, stdout, stderr := run(arg); status != exitOK || stderr != "" || !want.MatchString(stdout) {
			t.Errorf("%s: status %d, %q, %q", arg, status, stdout, stderr)
		}
	}
}
