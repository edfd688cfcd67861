package examples_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// row is a line of the chaos experiment: a fault, what was measured, and what was expected.
type row struct {
	policy                     string
	answered, least, p99, most int
	packets                    int
	verdict                    string
}

var rowForm = regexp.MustCompile(`(?m)^(\w+)  +(.+?)  +(\d+) %  +(\d+) %  +(\d+) ms  +(\d+) ms  +(\d+)  (.*)$`)

// rows are the lines of an experiment, by the names of their faults.
func rows(out string) map[string]row {
	list := make(map[string]row)
	for _, m := range rowForm.FindAllStringSubmatch(out, -1) {
		number := func(i int) int { n, _ := strconv.Atoi(m[i]); return n }
		list[m[1]] = row{m[2], number(3), number(4), number(5), number(6), number(7), m[8]}
	}
	return list
}

// checkRestored fails unless the experiment says that all is as it was.
func checkRestored(t *testing.T, out string) {
	t.Helper()
	for _, want := range []string{"\nmode: pass\n", "\n10.9.0.2 dev eth0 "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q at the end", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// The chaos experiment measures what the faults do at least, and says truly what held.
func TestChaos(t *testing.T) {
	t.Parallel()
	printed, err := experiment(t).CombinedOutput()
	out := string(printed)
	if err != nil {
		t.Errorf("the experiment ended with %v", err)
	}
	list := rows(out)
	// The least that a request takes under a fault: two round trips of two delays each, a
	// page over the link, almost the patience of those who found the network cut.
	for name, least := range map[string]int{"steady": 0, "loss": 0, "delay": 4 * 10, "slow": 2000 * 8 / 2000, "cut": 1990} {
		r, found := list[name]
		if !found {
			t.Errorf("no line of %s", name)
			continue
		}
		if r.p99 < least || r.p99 > r.most || r.answered < r.least || r.packets == 0 || !strings.HasPrefix(r.verdict, "held") {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if cut := list["cut"]; cut.answered > 95 || !strings.Contains(cut.verdict, "lifted after ") {
		t.Errorf("the cut was not lifted after 5 failures: %+v", cut)
	}
	checkRestored(t, out)
}

// An expectation that does not hold is said, and the experiment goes on. It ends, without
// the fault, when the budget of failed requests is spent.
func TestChaosEndsEarly(t *testing.T) {
	t.Parallel()
	cmd := experiment(t, "FAULTS=delay 100 10 delay 20ms\ncut 0 9999 percent 0\nmore 0 9999 pass", "BUDGET=3")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("the experiment ended with %v, want exit status 3", err)
	}
	if r := rows(string(out))["delay"]; r.verdict != "did not hold: time" {
		t.Errorf("under a delay: %+v", r)
	}
	if !regexp.MustCompile(`\nended early: under percent 0: [345] requests have failed, the budget is 3\n`).Match(out) {
		t.Error("the experiment did not end early under percent 0")
	}
	if bytes.Contains(out, []byte("\nmore")) {
		t.Error("the experiment went on")
	}
	checkRestored(t, string(out))
}

// A signal in the middle of a fault ends the experiment: the fault is taken away, unless it
// is SIGKILL, and nothing is left.
func TestChaosIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			interrupt(t, signal)
		})
	}
}

func interrupt(t *testing.T, signal syscall.Signal) {
	mark := fmt.Sprintf("INSANE_EXAMPLE=%d-%d", os.Getpid(), signal)
	cmd := experiment(t, mark, "FAULTS=cut 0 9999 percent 0", "LIMIT=200", "BUDGET=200")
	printed, err := cmd.StdoutPipe()
	labtest.Must(t, err)
	labtest.Must(t, cmd.Start())
	lines := bufio.NewScanner(printed)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "steady") {
	}
	labtest.Await(t, "requests under the cut", func() bool { return running(t, mark)["curl"] })
	before, spaces := running(t, mark), namespaces(t, mark)
	for _, name := range []string{"chaos.sh", "insane", "sleep", "curl"} {
		if !before[name] {
			t.Errorf("no process %s of the experiment in %v: the search missed it", name, before)
		}
	}
	if len(spaces) != 2 {
		t.Errorf("the experiment has the network namespaces %v, want two", spaces)
	}
	labtest.Must(t, cmd.Process.Signal(signal))
	var out strings.Builder
	for lines.Scan() {
		fmt.Fprintln(&out, lines.Text())
	}
	err = cmd.Wait()
	if signal == syscall.SIGTERM {
		if cmd.ProcessState.ExitCode() != 128+int(signal) || !strings.Contains(out.String(), "\nended early: signal 15\n") {
			t.Errorf("the experiment ended with %v", err)
		}
		checkRestored(t, out.String())
	}
	checkGone(t, mark, spaces)
}

// experiment prepares a run of the chaos experiment.
func experiment(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	labtest.NeedRoot(t)
	path, err := filepath.Abs("chaos/chaos.sh")
	labtest.Must(t, err)
	runtime.LockOSThread() // Pdeathsig is sent when this thread ends
	t.Cleanup(runtime.UnlockOSThread)
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = append(os.Environ(), append(env, "GORACE=atexit_sleep_ms=0")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}
