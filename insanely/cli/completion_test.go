package cli

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCandidates(t *testing.T) {
	for _, test := range []struct {
		typed []string // the last one is what stands before the cursor
		want  string
	}{
		{[]string{}, ""},
		{[]string{"w"}, "watch"},
		{[]string{"--s"}, "--socket --seed"},
		{[]string{"-"}, "--name --socket --json --wait --seed --any-netns --judge-neighbours --no-protect --receive --for --confirm --help --version"},
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
		{[]string{"--receive", "all", "-"}, "--name --socket --json --wait --seed --any-netns --judge-neighbours --no-protect --receive --for --confirm --help --version"},
		{[]string{"eth0", "both", "t"}, "time"},
		{[]string{"--bogus", "eth0", "b"}, "both"},
		{[]string{"stats", ""}, ""},
		{[]string{"co"}, "confirm completion"},
		{[]string{"lo"}, "log lo"},
		{[]string{"confirm", ""}, ""},
		{[]string{"log", ""}, ""},
		{[]string{"--for", ""}, ""},
		{[]string{"--for", "10m", "--confirm", "20s", "eth0", "t"}, "time tx"},
		{[]string{"eth0", "pass", "--co"}, "--confirm"},
		{[]string{"stats", "--i"}, ""},
		{[]string{"watch", "--i"}, "--interval"},
		{[]string{"watch", "--interval", ""}, ""},
		{[]string{"r"}, "rule rules record replay"},
		{[]string{"rule", ""}, "add set del"},
		{[]string{"rule", "show", ""}, ""},
		{[]string{"rule", "add", ""}, ""},
		{[]string{"rule", "add", "dns", "a"}, "any arp ack"},
		{[]string{"rule", "add", "dns", "b"}, "before"},
		{[]string{"rule", "add", "dns", "udp", "p"}, "port portrange proto"},
		{[]string{"rule", "add", "dns", "udp", "a"}, "arp ack"},
		{[]string{"rule", "add", "dns", "udp", "port", ""}, ""},
		{[]string{"rule", "add", "dns", "udp", "src", ""}, "host net port portrange"},
		{[]string{"rule", "add", "dns", "ether", ""}, "host proto src dst"},
		{[]string{"rule", "add", "dns", "ether", "proto", ""}, ""},
		{[]string{"rule", "add", "dns", "vlan", "b"}, "both"},
		{[]string{"rule", "add", "dns", "udp", "port", "53", "t"}, "tcp tx"},
		{[]string{"rule", "add", "dns", "udp", "port", "53", "tx", "p"}, "pass percent"},
		{[]string{"rule", "add", "dns", "udp", "tx", "percent", ""}, ""},
		{[]string{"rule", "add", "dns", "udp", "tx", "pass", "rx", "p"}, "pass percent"},
		{[]string{"rule", "add", "dns", "before", "x", "a"}, "any arp ack"},
		{[]string{"rule", "add", "dns", "before", "x", "udp", "both", "e"}, "every exactly ecn"},
		{[]string{"rule", "set", "dns", ""}, "tx rx both"},
		{[]string{"rule", "set", "dns", "rx", "t"}, "time"},
		{[]string{"rule", "set", "dns", "rx", "time", ""}, ""},
		{[]string{"--json", "rule", "d"}, "del"},
		{[]string{"rule", "del", "x", ""}, ""},
		{[]string{"rules", ""}, "load save"},
		{[]string{"rules", "save", ""}, ""},
		{[]string{"rules", "load", "testdata/s"}, "testdata/script/"},
		{[]string{"rules", "load", "testdata/device/bu"}, "testdata/device/busy.txt"},
		{[]string{"rules", "load", "completion_t"}, "completion_test.go"},
		{[]string{"explain", "completion_t"}, "completion_test.go"},
		{[]string{"record", "-w", "completion_t"}, "completion_test.go"},
		{[]string{"record", "-w"}, "-w"},
		{[]string{"record", "--s"}, "--socket --seed --snaplen --size"},
		{[]string{"rules", "load", "/proc/self/mounts"}, "/proc/self/mounts /proc/self/mountstats"},
		{[]string{"--", "rule", "t"}, "time tx"},
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

// Completion asks no daemon but for the names of rules: a daemon that hangs must not block the
// tab key.
func TestCompletionAsksNobody(t *testing.T) {
	socket, d := daemonFor(t, idleInfo())
	for _, line := range []string{"completion words --", "completion words -- eth0", "completion bash",
		"completion words -- rule", "completion words -- rule add", "completion words -- rule add x"} {
		if code, _, stderr := runAt(socket, strings.Fields(line)...); code != 0 || stderr != "" {
			t.Errorf("%s: exit code %d, stderr %q", line, code, stderr)
		}
	}
	if got := d.requests.Load(); got != 0 {
		t.Errorf("%d requests", got)
	}
}

// The names of rules come from the device that the line names, where a rule must be there
// already.
func TestCandidatesNameRules(t *testing.T) {
	socket, d := daemonFor(t, idleInfo())
	for _, name := range []string{"dns", "big", "web"} {
		if code, _, stderr := runAt(socket, "rule", "add", name, "tcp", "both", "pass"); code != 0 {
			t.Fatal(stderr)
		}
	}
	before, asked := d.requests.Load(), int32(0)
	for _, typed := range [][]string{
		{"--socket", socket, "rule", "del", ""},
		{"rule", "--socket", socket, "set", ""},
		{"rule", "add", "new", "--socket=" + socket, "before", ""},
	} {
		p := &program{getenv: func(string) string { return "" }}
		got := ""
		for end := time.Now().Add(20 * time.Second); got == "" && time.Now().Before(end); asked++ {
			got = strings.Join(p.candidates(p.app(), typed), " ") // nothing, if the answer takes too long
		}
		if got != "dns big web" {
			t.Errorf("%q: %q", typed, got)
		}
	}
	if got := d.requests.Load() - before; got < 3 || got > asked {
		t.Errorf("%d requests of %d", got, asked)
	}
	p := &program{getenv: func(string) string { return "/nowhere/insane.sock" }}
	if got := p.candidates(p.app(), []string{"rule", "del", ""}); len(got) != 0 {
		t.Errorf("%q of no daemon", got)
	}
}

// A daemon that hangs blocks the tab key for a moment only.
func TestNamesOfRulesDoNotBlock(t *testing.T) {
	socket := filepath.Join(shortDir(t), "insane.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := &program{getenv: func(string) string { return "" }}
	began := time.Now()
	if got := p.candidates(p.app(), []string{"--socket", socket, "rule", "del", ""}); len(got) != 0 {
		t.Errorf("%q", got)
	}
	if took := time.Since(began); took < namesTimeout || took > 20*namesTimeout {
		t.Errorf("it took %v", took)
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
