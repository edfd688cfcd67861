package lab

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reexec prepares this binary to run in a role. The process ends with the test.
func reexec(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", append([]string{role}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func TestExec(t *testing.T) {
	NeedRoot(t)
	for _, tt := range []struct {
		name   string
		argv   []string
		status int
		output string
	}{
		{"in borea", []string{"sh", "-c", "uname -n; echo $INSANE_SOCKET; exec 2>&1; cat /sys/class/net/eth0/address"},
			0, "borea\n@insane-lab-1\n02:09:00:00:00:01\n"},
		{"with its status", []string{"sh", "-c", "exit 7"}, 7, ""},
		{"with its standard input", []string{"tr", "a-z", "A-Z"}, 0, "FROM HERE\n"},
		{"ended by a signal", []string{"sh", "-c", "kill -KILL $$"}, 137, ""},
		{"missing", []string{"no-such-command"}, 127, ""},
		{"not executable", []string{"/etc/passwd"}, 126, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := reexec(t, "role-exec", tt.argv...)
			var out, errs bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("from here\n"), &out, &errs
			_ = cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != tt.status || out.String() != tt.output {
				t.Errorf("status %d, want %d; output %q, want %q; %s", got, tt.status, out.String(), tt.output, errs.String())
			}
		})
	}
}

// A signal to the lab goes to the command, and the command's status counts.
func TestExecPassesSignalsOn(t *testing.T) {
	NeedRoot(t)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		cmd := reexec(t, "role-exec", "sh", "-c", "trap 'exit 5' INT TERM HUP; echo ready; while :; do sleep 0.01; done")
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := stdout.Read(make([]byte, 16)); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 5 {
			t.Errorf("%v: %v, want the command's exit status 5", s, cmd.ProcessState)
		}
	}
}

func TestExecEndsWithItsContext(t *testing.T) {
	NeedRoot(t)
	ctx, cancel := context.WithCancel(background)
	marker := filepath.Join(t.TempDir(), "ready")
	go func() {
		defer cancel()
		for range 2000 {
			if _, err := os.Stat(marker); err == nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	options := Options{Insane: []string{"/proc/self/exe", "role-daemon"}}
	status, err := Exec(ctx, options, []string{"sh", "-c", "echo > " + marker + "; exec sleep 600"})
	if status == 0 && err == nil {
		t.Error("a command that was ended early ended well")
	}
}

// A build that is not installed must find its own insanely.
func TestExecFindsCompanions(t *testing.T) {
	NeedRoot(t)
	dir := t.TempDir()
	binary := filepath.Join(dir, "insane")
	copyFile(t, "/proc/self/exe", binary)
	script := "#!/bin/sh\necho companion\n"
	if err := os.WriteFile(filepath.Join(dir, "insanely"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{{"insanely"}, {"sh", "-c", "insanely"}} {
		out, err := exec.CommandContext(t.Context(), binary, append([]string{"role-exec"}, argv...)...).CombinedOutput()
		if err != nil || string(out) != "companion\n" {
			t.Errorf("%v: %v, %q", argv, err, out)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestExecNothing(t *testing.T) {
	if status, err := Exec(background, Options{}, nil); err == nil || status != 1 {
		t.Errorf("got %d, %v", status, err)
	}
}

// Without root there is one line that says what is missing.
func TestWithoutRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		_, err := New(Options{})
		checkNeedsRoot(t, err.Error())
		if !errors.Is(err, syscall.EPERM) {
			t.Errorf("%v is not EPERM", err)
		}
		return
	}
	cmd := reexec(t, "role-exec", "true")
	const nobody = 65534
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("made a lab without root")
	}
	checkNeedsRoot(t, string(out))
}

func checkNeedsRoot(t *testing.T, text string) {
	t.Helper()
	text = strings.TrimSpace(text)
	if strings.Contains(text, "\n") || !strings.Contains(text, "needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN)") {
		t.Errorf("got %q", text)
	}
}
