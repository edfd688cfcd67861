package cli

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestCandidates(t *testing.T) {
	for _, test := range []struct {
		typed []string // the last one is what stands before the cursor
		want  string
	}{
		{[]string{}, ""},
		{[]string{"w"}, "watch"},
		{[]string{"--s"}, "--socket --seed"},
		{[]string{"-"}, "--name --socket --json --wait --seed --any-netns --judge-neighbours --receive --help --version"},
		{[]string{"eth0", ""}, "pass percent gemodel state every exactly drop time ecn duplicate corrupt rate queue delay reorder slot tx rx both"},
		{[]string{"eth0", "p"}, "pass percent"},
		{[]string{"eth0", "rx", ""}, "pass percent gemodel state every exactly drop time ecn duplicate corrupt rate queue delay reorder slot"},
		{[]string{"eth0", "rx", "pass", ""}, ""},
		{[]string{"eth0", "percent", ""}, ""},
		{[]string{"--json", "eth0", "t"}, "time tx"},
		{[]string{"--seed", "7", "eth0", "t"}, "time tx"},
		{[]string{"--seed=7", "eth0", "t"}, "time tx"},
		{[]string{"--seed", ""}, ""},
		{[]string{"--socket", ""}, ""},
		{[]string{"--receive", ""}, "auto none all"},
		{[]string{"--receive", "a"}, "auto all"},
		{[]string{"eth0", "rx", "pass", "--receive", "n"}, "none"},
		{[]string{"--receive", "all", "eth0", "b"}, "both"},
		{[]string{"--receive", "all", "-"}, "--name --socket --json --wait --seed --any-netns --judge-neighbours --receive --help --version"},
		{[]string{"eth0", "both", "t"}, "time"},
		{[]string{"--bogus", "eth0", "b"}, "both"},
		{[]string{"stats", ""}, ""},
		{[]string{"stats", "--i"}, ""},
		{[]string{"watch", "--i"}, "--interval"},
		{[]string{"watch", "--interval", ""}, ""},
		{[]string{"completion", ""}, "bash zsh fish"},
		{[]string{"completion", "bash", ""}, ""},
	} {
		p := new(program)
		if got := strings.Join(p.candidates(p.app(), test.typed), " "); got != test.want {
			t.Errorf("%q: %q, want %q", test.typed, got, test.want)
		}
	}
}

func TestCandidatesNameLinks(t *testing.T) {
	if _, err := os.Stat("/sys/class/net/lo"); err != nil {
		t.Skip("no loopback link in /sys:", err)
	}
	p := new(program)
	for _, typed := range [][]string{{""}, {"l"}, {"--json", "lo"}} {
		if got := p.candidates(p.app(), typed); !slices.Contains(got, "lo") {
			t.Errorf("%q: %q has no lo", typed, got)
		}
	}
}

// Completion asks no daemon: a daemon that hangs must not block the tab key.
func TestCompletionAsksNobody(t *testing.T) {
	socket, d := daemonFor(t, idleInfo())
	for _, line := range []string{"completion words --", "completion words -- eth0", "completion bash"} {
		if code, _, stderr := runAt(socket, strings.Fields(line)...); code != 0 || stderr != "" {
			t.Errorf("%s: exit code %d, stderr %q", line, code, stderr)
		}
	}
	if got := d.requests.Load(); got != 0 {
		t.Errorf("%d requests", got)
	}
}

// All shells that --help and the error name have a script.
func TestEveryShellHasAScript(t *testing.T) {
	for _, shell := range shells {
		code, script, stderr := run("completion", shell)
		if code != 0 || !strings.Contains(script, "completion words -- ") {
			t.Errorf("%s: exit code %d, stderr %q, script %q", shell, code, stderr, script)
		}
		if !strings.Contains(help, shell) {
			t.Errorf("--help does not name %s", shell)
		}
	}
}
