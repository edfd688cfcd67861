package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// run runs the command in this process, with an empty environment.
func run(args ...string) (code int, stdout, stderr string) { return runWith(nil, args...) }

// runAt runs the command where INSANE_SOCKET is socket.
func runAt(socket string, args ...string) (code int, stdout, stderr string) {
	return runWith(map[string]string{"INSANE_SOCKET": socket}, args...)
}

func runWith(env map[string]string, args ...string) (code int, stdout, stderr string) {
	var out, fault bytes.Buffer
	getenv := func(name string) string { return env[name] }
	code = Main(append([]string{"insanely"}, args...), &out, &fault, getenv)
	return code, out.String(), fault.String()
}

// shortDir is a directory with a name short enough for sockets in it.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "insanely")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// daemonFor starts a daemon for a test.
func daemonFor(t *testing.T, info api.Info) (socket string, d *daemon) {
	t.Helper()
	socket = filepath.Join(shortDir(t), "insane.sock")
	d, err := startDaemon(socket, "", info)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.server.Close)
	return socket, d
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
		said string
	}{
		{nil, 0, ""},
		{api.ErrInternal, 1, "internal"},
		{api.ErrInvalid, 1, "invalid"}, // the daemon refused what passed here
		{api.ErrNoDevice, 1, "no-device"},
		{api.ErrWrongType, 1, "wrong-type"},
		{api.ErrLoop, 1, "loop"},
		{api.ErrNoReceive, 1, "no-receive"},
		{api.ErrForbidden, 4, "forbidden"},
		{fmt.Errorf("%w: x", insanely.ErrNoDaemon), 3, "no-daemon"},
		{fmt.Errorf("%w: x", insanely.ErrPermission), 4, "forbidden"},
		{errors.New("anything else"), 1, "failed"},
		{usagef("", "x"), 2, "invalid"},
	} {
		if got := exitCode(test.err); got != test.code {
			t.Errorf("%v: exit code %d, want %d", test.err, got, test.code)
		}
		if test.err == nil {
			continue
		}
		if said, _ := fault(test.err); said.Code != test.said {
			t.Errorf("%v: code %q, want %q", test.err, said.Code, test.said)
		}
	}
}

// A flag on the line has precedence over the environment.
func TestSocketOf(t *testing.T) {
	const name, socket = "INSANE_NAME", "INSANE_SOCKET"
	for _, test := range []struct {
		env  map[string]string
		args []string
		want string
	}{
		{nil, nil, "/run/insane/insane.sock"},
		{map[string]string{name: "", socket: ""}, nil, "/run/insane/insane.sock"},
		{map[string]string{name: "n"}, nil, "/run/insane/n.sock"},
		{map[string]string{name: "n", socket: "/nowhere/s"}, nil, "/nowhere/s"},
		{map[string]string{name: "n", socket: "/nowhere/s"}, []string{"--name", "m"}, "/run/insane/m.sock"},
		{map[string]string{name: "n", socket: "/nowhere/s"}, []string{"--name", "m", "--socket", "/nowhere/t"}, "/nowhere/t"},
		{nil, []string{"--socket", "@insanely-nobody", "--name", "m"}, "@insanely-nobody"},
	} {
		// The socket is not touched: this machine may have a daemon.
		p := &program{out: io.Discard, getenv: func(key string) string { return test.env[key] }}
		app, got := p.app(), ""
		app.Action = func(c *cli.Context) (err error) {
			got, err = p.socket(c)
			return err
		}
		if err := app.Run(append([]string{"insanely"}, test.args...)); err != nil || got != test.want {
			t.Errorf("%v %v: %q (%v), want %q", test.env, test.args, got, err, test.want)
		}
	}
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	socket, _ := daemonFor(t, busyInfo())
	for _, line := range []string{"", "--json", "eth0 pass", "stats", "stats --json", "watch --count 1 --interval 10ms", "rule", "rule --json", "rule add x any tx pass", "rules save", "list", "completion bash", "help", "--help", "--version"} {
		args := append([]string{"insanely"}, strings.Fields(line)...)
		var fault bytes.Buffer
		getenv := func(name string) string { return map[string]string{"INSANE_SOCKET": socket}[name] }
		if code := Main(args, full, &fault, getenv); code != exitFailed {
			t.Errorf("%q: exit code %d", line, code)
		}
		checkLine(t, fault.String(), "write output: ")
	}
}

func TestHelp(t *testing.T) {
	code, page, stderr := run("--help")
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	for line := range strings.Lines(page) {
		if width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > 80 {
			t.Errorf("%d columns: %s", width, line)
		}
	}
	app := new(program).app()
	for _, name := range slices.Concat(flagNames(app, []string{"watch"}), flagNames(app, []string{"record"}), commandNames(app)) {
		if !strings.Contains(page, name) {
			t.Errorf("%s is missing", name)
		}
	}
	for _, words := range [][]string{api.ReceiveModes(), modes} {
		for _, word := range words {
			if !strings.Contains(page, "\n  "+word+" ") {
				t.Errorf("%s is not explained", word)
			}
		}
	}
	for _, args := range [][]string{{"-h"}, {"help"}, {"watch", "--help"}, {"eth0", "pass", "-h"}, {"completion", "--help"}} {
		if code, again, _ := run(args...); code != 0 || again != page {
			t.Errorf("%v: exit code %d and another page", args, code)
		}
	}
}

// The manual explains each form that a policy can have.
func TestHelpExplainsPolicies(t *testing.T) {
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	_, page, _ := run("--help")
	for _, form := range append(policy.Forms(), policy.Several()) {
		if !strings.Contains(page, "\n  "+strings.Fields(form.Usage)[0]) || !strings.Contains(words(page), words(form.Usage+" "+form.Summary)) {
			t.Errorf("%s is not explained", form.Usage)
		}
	}
}

// The manual lists each form that a part of a match can have.
func TestHelpListsMatches(t *testing.T) {
	_, page, _ := run("--help")
	_, section, _ := strings.Cut(page, "\nRULES: ")
	section, _, _ = strings.Cut(section, "\n\n")
	parts := strings.Split(strings.Join(strings.Fields(section[strings.LastIndexByte(section, ':')+1:]), " "), ", ")
	var want []string
	for _, form := range match.Forms() {
		want = append(want, form.Usage)
	}
	if !slices.Equal(parts, want) {
		t.Errorf("the manual lists %q, want %q", parts, want)
	}
}

// The name of a link cannot move the cursor, in text or in JSON.
func TestNamesStayText(t *testing.T) {
	info := busyInfo()
	info.Slave, info.PathReason = "\x1b[2J", "a\x1b]0;b\x07"
	info.Takes.To = []string{"\x1b[2J"}
	socket, d := daemonFor(t, info)
	d.refusals["bell"] = api.Errorf(api.ErrInternal, "", "\x07\x1b[2J")
	for _, line := range []string{"", "--json", "list", "list --json", "bell", "bell --json"} {
		_, stdout, stderr := runAt(socket, strings.Fields(line)...)
		if strings.ContainsAny(stdout+stderr, "\x1b\x07") || stdout+stderr == "" {
			t.Errorf("%q: %q %q", line, stdout, stderr)
		}
	}
}

// Every example of the help page does what a person would type.
func TestHelpExamples(t *testing.T) {
	socket, d := daemonFor(t, idleInfo())
	_, examples, _ := strings.Cut(help, "EXAMPLES\n")
	examples, _, _ = strings.Cut(examples, "\n\n")
	n := 0
	t.Chdir(t.TempDir())
	for line := range strings.Lines(examples) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "  ")
		line, piped, _ := strings.Cut(line, " | ")
		if piped != "" {
			line += " --count 1"
		}
		if code, _, stderr := runAt(socket, strings.Fields(line)[1:]...); code != 0 {
			t.Errorf("%s: exit code %d: %s", line, code, stderr)
		}
		n++
	}
	if n < 5 {
		t.Errorf("%d examples", n)
	}
	if d.info.TX.Policy != "percent 9" || d.info.RX.Policy != "pass" || d.info.Receive != "all" || d.info.Seed != 7 {
		t.Errorf("in the end tx is %q, rx %q, receive %s, seed %d", d.info.TX.Policy, d.info.RX.Policy, d.info.Receive, d.info.Seed)
	}
}

func TestVersion(t *testing.T) {
	if code, stdout, _ := run("--version"); code != 0 || !strings.HasPrefix(stdout, "insanely version ") {
		t.Errorf("exit code %d, stdout %q", code, stdout)
	}
}
