// Package examples_test runs what the README tells people to run.
package examples_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	daemoncli "github.com/seed-39a139a1/insane/insane/cli"
	"github.com/seed-39a139a1/insane/insanely/cli"
	"github.com/seed-39a139a1/insane/policy"
)

// TestMain makes the test binary the two commands.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"insane":   func() { os.Exit(daemoncli.Main(os.Args, os.Stdout, os.Stderr)) },
		"insanely": func() { os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr, os.Getenv)) },
	})
}

// run runs a script of an example, bounded in time, and returns what it printed.
func run(t *testing.T, script string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("INSANE_ROOT") == "1" {
			t.Fatal("INSANE_ROOT=1, but the tests do not run as root")
		}
		t.Skip("needs root")
	}
	path, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// The story of the README: the two tcpdumps see different counts, and the
// counts are those that the seed of the script makes.
func TestRouteAHost(t *testing.T) {
	out := run(t, "route-a-host/route-a-host.sh")
	count := func(what string) int {
		m := regexp.MustCompile(what + `\s+(\d+)`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("no %q in\n%s", what, out)
		}
		n, _ := strconv.Atoi(m[1])
		return n
	}
	const pings = 200
	before, after := count("insane saw"), count("eth0 sent")
	if before != pings {
		t.Errorf("tcpdump on insane saw %d of %d pings", before, pings)
	}
	// What else the host says through insane takes numbers too, so the count
	// is that of the engine give or take a few packets.
	p, err := policy.Parse("percent 60")
	if err != nil {
		t.Fatal(err)
	}
	prog, want := p.Compile(0, 2000), 0
	for i := range uint64(pings) {
		if prog.Decide(0, i) == policy.Relay {
			want++
		}
	}
	if after < want-10 || after > want+10 {
		t.Errorf("tcpdump on eth0 saw %d pings, want about %d", after, want)
	}
	if got := count("ping received"); got != after {
		t.Errorf("%d answers to %d pings sent", got, after)
	}
	if t.Failed() {
		t.Log(out)
	}
}
