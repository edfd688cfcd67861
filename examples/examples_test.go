// Package examples_test runs what the README tells people to run.
package examples_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	daemoncli "github.com/seed-39a139a1/insane/insane/cli"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
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
func run(t *testing.T, script string, env ...string) string {
	t.Helper()
	labtest.NeedRoot(t)
	path, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // Pdeathsig is sent when this thread ends
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	// A program with the race detector would wait a second before it exits.
	cmd.Env = append(os.Environ(), append(env, "GORACE=atexit_sleep_ms=0")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// number finds a number in what a script printed: that in the parentheses of a pattern.
func number(t *testing.T, out, pattern string) int {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no %q in\n%s", pattern, out)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// checkRelayed fails unless of so many packets as many were relayed as the seed
// makes it. What else the hosts say to each other takes numbers too, so the count
// is that of the engine give or take a few.
func checkRelayed(t *testing.T, text string, seed uint64, offered, relayed int) {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	program, want := p.Compile(0, seed), 0
	for i := range uint64(offered) {
		if !program.Decide(0, i).Lost() {
			want++
		}
	}
	if relayed < want-10 || relayed > want+10 {
		t.Errorf("%d packets were relayed of %d, want about %d", relayed, offered, want)
	}
}

// The story of the README: the two tcpdumps see different counts, and the
// counts are those that the seed of the script makes.
func TestRouteAHost(t *testing.T) {
	out := run(t, "route-a-host/route-a-host.sh")
	const pings, seed = 200, 2000
	requests, answers := number(t, out, `insane +saw (\d+)`), number(t, out, `relayed (\d+)\n`)
	sent, arrived := number(t, out, `eth0 +sent (\d+)`), number(t, out, `got (\d+)\n`)
	if requests != pings {
		t.Errorf("tcpdump on insane saw %d of %d requests", requests, pings)
	}
	checkRelayed(t, "percent 80", seed, requests, sent)
	if arrived != sent {
		t.Errorf("%d answers to %d requests arrived at eth0", arrived, sent)
	}
	checkRelayed(t, "percent 80", policy.Subseed(seed, 0), arrived, answers)
	if received := number(t, out, `received (\d+)\n`); received != answers {
		t.Errorf("ping received %d answers, insane relayed %d", received, answers)
	}
	if t.Failed() {
		t.Log(out)
	}
}

// Two sessions at a time, one through insane and one past it, of either kind that
// the script knows.
func TestSecondSubnet(t *testing.T) {
	t.Run("iperf3", func(t *testing.T) { secondSubnet(t, "SESSION=iperf3") })
	// The script looks there too, as many users have no sbin in their PATH.
	_, err := exec.LookPath("sshd")
	if _, statErr := os.Stat("/usr/sbin/sshd"); err == nil || statErr == nil {
		t.Run("ssh", func(t *testing.T) { secondSubnet(t, "SESSION=ssh") })
	}
}

func secondSubnet(t *testing.T, env string) {
	out := run(t, "second-subnet/second-subnet.sh", env)
	const size, seed = 4 << 20, 2000
	plain, faulted := number(t, out, `bytes received +(\d+)`), number(t, out, `bytes received +\d+ +(\d+)`)
	if plain < size || faulted < size {
		t.Errorf("%d and %d bytes arrived of %d", plain, faulted, size)
	}
	if number(t, out, `segments sent again +\d+ +(\d+)`) == 0 {
		t.Error("no segment was sent again over insane")
	}
	if n := number(t, out, `insane saw (\d+)`); n != 0 {
		t.Errorf("insane saw %d packets of the slave's own network", n)
	}
	for _, want := range []string{`takes +to 10\.8\.0\.1`, `from 10\.8\.0\.0/24\n`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %q", want)
		}
	}
	for direction, seed := range map[string]uint64{"tx": seed, "rx": policy.Subseed(seed, 0)} {
		counters := `(?s)\n` + direction + ` .*?`
		offered, relayed := number(t, out, counters+`offered +(\d+)`), number(t, out, counters+`relayed +(\d+)`)
		if checkRelayed(t, "percent 90", seed, offered, relayed); relayed == offered {
			t.Errorf("%s: nothing was lost", direction)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// The recipes for containers: with the rules and addresses that they name everything
// arrives, and what goes through insane is faulted as the seed makes it.
func TestContainer(t *testing.T) {
	const pings, seed = 100, 2000
	for _, c := range []struct {
		recipe string
		lines  []string // that the script prints
		spared []string // whose pings all arrive, but for those that are too late
		faults []string // whose pings are faulted
	}{
		{"own", []string{"what arrives stays with the slave: the device can only send"}, nil,
			[]string{"seccomp=unconfined", "the default profile"}},
		{"beside", []string{"the device ended with the container"}, []string{"one without faults"}, []string{"one to the world"}},
		{"bridge", []string{
			"host to one, without a rule: TCP did not arrive", "host to one: TCP arrived",
			"outside to one, without a rule: TCP did not arrive", "outside to one: TCP arrived",
			"one to outside: TCP arrived", "one to two: TCP arrived",
		}, []string{"host to two"}, []string{"host to one"}},
		{"node", []string{
			"one to outside, without an address: TCP did not arrive",
			"one to outside: TCP arrived", "node to outside: TCP arrived", "outside to one: TCP arrived",
		}, []string{"node to its own network", "node to one"}, []string{"one to outside"}},
	} {
		t.Run(c.recipe, func(t *testing.T) {
			t.Parallel()
			out := run(t, "container/container.sh", "RECIPE="+c.recipe)
			for _, line := range c.lines {
				if !strings.Contains(out, "\n"+line+"\n") {
					t.Errorf("no line %q", line)
				}
			}
			for _, what := range c.spared {
				if received := number(t, out, what+": sent 100, received (\\d+)"); received < pings-5 {
					t.Errorf("%s: %d of %d pings were answered", what, received, pings)
				}
			}
			for _, what := range c.faults {
				received := number(t, out, what+": sent 100, received (\\d+)")
				if c.recipe == "own" || c.recipe == "beside" { // nothing that arrives is faulted
					checkRelayed(t, "percent 80", seed, pings, received)
				} else if answers := number(t, out, `(?s)\nrx .*did [0-9.]+ % of (\d+)`); received >= answers || received < answers/2 {
					t.Errorf("%s: %d of %d answers were relayed, want 80 %%", what, received, answers)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}
