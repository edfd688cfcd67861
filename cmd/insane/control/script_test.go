package control

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestScript runs the scripts in testdata/script, each in its own lab. Besides testscript's
// own commands they have
//
//	borea COMMAND [ARG...] [&]    run COMMAND on borea; with & until the story ends
//	morgana COMMAND [ARG...] [&]  the same on morgana
//	exits N COMMAND [ARG...]      run COMMAND on borea; its exit status must be N
//	unchanged                     borea must be as it was when the story began
//	stop COMMAND                  end what was started with &, by SIGTERM, status 0
func TestScript(t *testing.T) {
	t.Parallel()
	labtest.NeedRoot(t)
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			s, err := newStory(env.T().(testing.TB))
			env.Values[storyKey{}] = s
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"borea": func(ts *testscript.TestScript, neg bool, args []string) {
				storyOf(ts).on(ts, storyOf(ts).lab.Borea, neg, args)
			},
			"morgana": func(ts *testscript.TestScript, neg bool, args []string) {
				storyOf(ts).on(ts, storyOf(ts).lab.Morgana, neg, args)
			},
			"exits":     exits,
			"stop":      stop,
			"unchanged": unchanged,
		},
	})
}

type storyKey struct{}

// story is one script while it runs.
type story struct {
	t          testing.TB
	lab        *lab.Lab
	before     testbed.HostState
	background map[string]*lab.Cmd // by the name of the command
}

func newStory(t testing.TB) (*story, error) {
	s := &story{t: t, lab: labtest.New(t), background: make(map[string]*lab.Cmd)}
	s.before = testbed.StateOf(t, s.lab.Borea)
	return s, nil
}

func storyOf(ts *testscript.TestScript) *story { return ts.Value(storyKey{}).(*story) }

// command prepares a command on a host. The commands of this project find each other by an
// abstract address, which exists in the lab only.
func (s *story) command(ts *testscript.TestScript, h *lab.Host, args []string) *lab.Cmd {
	if len(args) == 0 {
		ts.Fatalf("what is to be run?")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	ts.Defer(cancel)
	c := h.Command(ctx, args[0], args[1:]...)
	c.Dir = ts.MkAbs(".")
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=10", "INSANE_SOCKET=@story")
	return c
}

// on runs a command in the foreground or in the background.
func (s *story) on(ts *testscript.TestScript, h *lab.Host, neg bool, args []string) {
	if n := len(args); n > 0 && args[n-1] == "&" {
		s.begin(ts, h, args[:n-1])
		return
	}
	c := s.command(ts, h, args)
	c.Stdout, c.Stderr = ts.Stdout(), ts.Stderr()
	switch err := c.Run(); {
	case err != nil && !neg:
		ts.Fatalf("%s: %v", strings.Join(args, " "), err)
	case err == nil && neg:
		ts.Fatalf("%s: succeeded", strings.Join(args, " "))
	}
}

func (s *story) begin(ts *testscript.TestScript, h *lab.Host, args []string) {
	c := s.command(ts, h, args)
	var log testbed.LogBuffer
	c.Stdout, c.Stderr = &log, &log
	ts.Check(c.Start())
	s.background[args[0]] = c
	ts.Defer(func() {
		_ = c.Process.Kill() // it may have ended
		_ = c.Wait()         // or was waited for
		if strings.Contains(log.String(), "DATA RACE") || strings.Contains(log.String(), "panic:") {
			s.t.Errorf("%s is broken:\n%s", args[0], log.String())
		}
	})
}

// stop ends a background command with SIGTERM, as a service manager does.
func stop(ts *testscript.TestScript, neg bool, args []string) {
	s := storyOf(ts)
	if neg || len(args) != 1 || s.background[args[0]] == nil {
		ts.Fatalf("usage: stop COMMAND, one that runs in the background")
	}
	ts.Check(s.background[args[0]].Process.Signal(syscall.SIGTERM))
	ts.Check(s.background[args[0]].Wait())
}

// exits runs a command on borea and checks its exit status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	c := storyOf(ts).command(ts, storyOf(ts).lab.Borea, args[1:])
	var errText testbed.LogBuffer
	c.Stdout, c.Stderr = ts.Stdout(), &errText
	err = c.Run()
	_, _ = ts.Stderr().Write([]byte(errText.String())) // a buffer
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		ts.Fatalf("%v", err)
	}
	if got := c.ProcessState.ExitCode(); got != want {
		ts.Fatalf("%s: exit status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
	if want != 0 && strings.Count(errText.String(), "\n") != 1 {
		ts.Fatalf("an error must be one line, this is\n%s", errText.String())
	}
}

// unchanged compares borea with its state at the start of the script.
func unchanged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: unchanged")
	}
	s := storyOf(ts)
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		began := time.Since(start)
		diff := cmp.Diff(s.before, testbed.StateNow(s.t, s.lab.Borea))
		if diff == "" {
			return
		}
		if began > testbed.Teardown {
			ts.Fatalf("borea has changed (-before +after):\n%s", diff)
		}
	}
}
