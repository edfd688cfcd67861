package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run runs a command line. It never makes a device, because its control socket is invalid.
func run(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = Main(append([]string{"insane", "--socket", "/proc/nowhere/insane.sock"}, args...), &out, &err)
	return status, out.String(), err.String()
}

// An invalid value is refused with status 2 and one line that names the flag and the value.
func TestBadUsage(t *testing.T) {
	long := strings.Repeat("x", 16)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"eth0"}, `"eth0": want flags and no arguments`},
		{[]string{"--slave", "eth0", "percent", "60"}, `"percent": want flags`},
		{[]string{"--colour", "red"}, "flag provided but not defined: -colour"},
		{[]string{"--slave"}, "flag needs an argument: -slave"},
		{[]string{"--name", ""}, `name: ""`},
		{[]string{"--name", "."}, `name: "."`},
		{[]string{"--name", "a/b"}, `name: "a/b"`},
		{[]string{"--name", "a b"}, `name: "a b"`},
		{[]string{"--name", "a\nb"}, `name: "a\nb"`},
		{[]string{"--name", "insane%d"}, `name: "insane%d"`},
		{[]string{"--name", "default"}, `name: "default"`},
		{[]string{"--name", long}, `name: "` + long + `"`},
		{[]string{"--socket", ""}, `socket: "": want the path of a socket, or @NAME`},
		{[]string{"--socket", "@"}, `socket: "@"`},
		{[]string{"--socket", "/tmp/"}, `socket: "/tmp/"`},
		{[]string{"--slave", ""}, `slave: "": want the name of a link`},
		{[]string{"--address", ""}, `address: ""`},
		{[]string{"--address", "10.9.0.300"}, `address: "10.9.0.300"`},
		{[]string{"--address", "10.9.0.1/33"}, `address: "10.9.0.1/33"`},
		{[]string{"--address", "10.9.0.1/-1"}, `address: "10.9.0.1/-1"`},
		{[]string{"--address", "morgana"}, `address: "morgana"`},
		{[]string{"--address", "fe80::1%eth0"}, `address: "fe80::1%eth0"`},
		{[]string{"--address", "::ffff:10.9.0.1"}, `address: "::ffff:10.9.0.1"`},
		{[]string{"--address", "10.9.0.1/24", "--address", "x"}, `address: "x"`},
		{[]string{"--route", "10.9.0.0/99"}, `route: "10.9.0.0/99"`},
		{[]string{"--route", "10.9.0.0/"}, `route: "10.9.0.0/"`},
		{[]string{"--route", "fe80::1%lo"}, `route: "fe80::1%lo"`},
		{[]string{"--route", "fe80::%lo/64"}, `route: "fe80::%lo/64"`},
		{[]string{"--route", "::ffff:10.9.0.1"}, `route: "::ffff:10.9.0.1"`},
		{[]string{"--route", "::ffff:10.9.0.0/120"}, `route: "::ffff:10.9.0.0/120"`},
		{[]string{"--route", "no..such"}, `route: "no..such": no such host`},
		{[]string{"--route", ""}, `route: ""`},
		{[]string{"--policy", ""}, "policy: "},
		{[]string{"--policy", "percent 200"}, "200"},
		{[]string{"--policy", "percent -1"}, "-1"},
		{[]string{"--policy", "time 0 0"}, "policy: "},
		{[]string{"--policy", "maybe 50"}, "maybe"},
		{[]string{"--rx-policy", ""}, "rx-policy: "},
		{[]string{"--rx-policy", "percent 200"}, `rx-policy: percent "200"`},
		{[]string{"--rx-policy", "maybe 50"}, `rx-policy: policy "maybe"`},
		{[]string{"--receive", "some"}, `receive: "some": want auto, none or all`},
		{[]string{"--receive", "ALL"}, `receive: "ALL": want auto, none or all`},
		{[]string{"--receive", ""}, `receive: "": want auto, none or all`},
		{[]string{"--receive", "a\nb"}, `receive: "a\nb": want`},
		{[]string{"--receive", "none", "--rx-policy", "percent 50"},
			`rx-policy: "percent 50": with --receive none nothing that arrives is the device's to fault`},
		{[]string{"--rx-policy", "time 1s 0", "--receive", "none"}, `rx-policy: "time 1s 0": with --receive none`},
		{[]string{"--seed", ""}, `seed: ""`},
		{[]string{"--seed", "seven"}, `seed: "seven"`},
		{[]string{"--seed", "-1"}, `seed: "-1"`},
		{[]string{"--seed", "1.5"}, `seed: "1.5"`},
		{[]string{"--seed", "18446744073709551616"}, `seed: "18446744073709551616"`},
		{[]string{"--group", ""}, `group: ""`},
		{[]string{"--group", "no-such-group"}, `group: "no-such-group"`},
		{[]string{"--group", "-1"}, `group: "-1"`},
		{[]string{"--group", "4294967295"}, `group: "4294967295"`},
		{[]string{"--for", ""}, `for: "": want a time from 1ms to 8760h`},
		{[]string{"--for", "0"}, `for: "0": want a time`},
		{[]string{"--for", "-1s"}, `for: "-1s"`},
		{[]string{"--for", "10"}, `for: "10"`},
		{[]string{"--for", "1us"}, `for: "1us"`},
		{[]string{"--for", "8760h1ms"}, `for: "8760h1ms"`},
		{[]string{"--log-level", "loud"}, `log-level: "loud": want debug, info, warn or error`},
		{[]string{"--log-format", "xml"}, `log-format: "xml": want text or json`},
		{[]string{"--slave", "all"}, `slave: "all": no link can have this name: the kernel means every interface by it`},
		{[]string{"--slave", "a b"}, `slave: "a b": no link can have this name: has one of`},
		{[]string{"--policy", "percent", "80"}, `policy: "percent" is only a part of a policy: quote all its words: --policy "percent 80"`},
		{[]string{"--policy", "percent", "80", "--slave", "eth0"}, `quote all its words: --policy "percent 80"`},
		{[]string{"--rx-policy", "time", "2s", "500ms"}, `rx-policy: "time" is only a part of a policy: quote all its words: --rx-policy "time 2s 500ms"`},
		{[]string{"--policy", "percent 60", "every", "10"}, `quote all its words: --policy "percent 60 every 10"`},
		{[]string{"--policy", "pass", "eth0"}, `"eth0": want flags and no arguments`},
		{[]string{"lab", "--colour"}, "flag provided but not defined: -colour"},
		{[]string{"lab", "--seed", "x"}, `seed: "x"`},
		{[]string{"lab", "--shell", "true"}, `lab: "true": want --shell or a command, not both`},
	} {
		status, stdout, stderr := run(c.args...)
		if status != exitUsage || stdout != "" {
			t.Errorf("%q: status %d, stdout %q; want %d and nothing", c.args, status, stdout, exitUsage)
		}
		if !strings.HasPrefix(stderr, "insane: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.says) {
			t.Errorf("%q: %q, want one line with %q", c.args, stderr, c.says)
		}
	}
}

// A valid command line reaches the kernel: status 1.
func TestGoodUsage(t *testing.T) {
	for _, args := range [][]string{
		nil,
		{"--name", "bad0", "--slave", "eth0", "--policy", "percent 60", "--seed", "0x7"},
		{"--address", "10.9.0.1/32", "--address", "fd00:9::1/64", "--route", "10.9.0.2", "--route", "default"},
		{"--receive", "auto", "--rx-policy", "percent 60"},
		{"--receive", "all"},
		{"--for", "1h30m"},
		{"--receive", "auto", "--policy", "time 50 100", "--rx-policy", "time 50 100"},
		{"--receive", "none", "--rx-policy", "pass"},
		{"--receive", "none", "--log-level", "debug", "--log-format", "json", "--group", "0"},
	} {
		status, stdout, stderr := run(args...)
		if status != exitFailed || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "/proc/nowhere") {
			t.Errorf("%q: status %d, %q, %q; want %d over the control socket", args, status, stdout, stderr, exitFailed)
		}
	}
}

// After a usage error, not even the directory of the control socket exists.
func TestBadUsageMakesNothing(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "run", "insane.sock")
	var out, err bytes.Buffer
	if status := Main([]string{"insane", "--socket", socket, "--policy", "percent 200"}, &out, &err); status != exitUsage {
		t.Fatalf("status %d: %s", status, &err)
	}
	if _, err := os.Stat(filepath.Dir(socket)); !os.IsNotExist(err) {
		t.Errorf("%v, want no directory", err)
	}
}

// The environment is checked like the flags that it replaces.
func TestBadEnvironment(t *testing.T) {
	t.Setenv("INSANE_NAME", "a/b")
	if status, _, stderr := run(); status != exitUsage || !strings.Contains(stderr, `name: "a/b"`) {
		t.Errorf("status %d, %q; want %d over the name", status, stderr, exitUsage)
	}
}

// A command that cannot write what it was asked for says so, and fails.
func TestOutputThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0) // every write fails (full(4))
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, arg := range []string{"--help", "--version"} {
		var said bytes.Buffer
		status := Main([]string{"insane", arg}, full, &said)
		if status != exitFailed || !strings.HasPrefix(said.String(), "insane: write output: ") || strings.Count(said.String(), "\n") != 1 {
			t.Errorf("%s: status %d, %q", arg, status, said.String())
		}
	}
}
