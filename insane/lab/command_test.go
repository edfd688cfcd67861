package lab

import (
	"context"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// run runs a shell script in a host and returns its output.
func run(t *testing.T, h *Host, script string) string {
	t.Helper()
	out, err := h.Command(background, "sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %s: %v\n%s", h.Name, script, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestCommandSeesTheHost(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	l := newLab(t, Options{})
	hostsBefore, err := os.ReadFile(hostsFile)
	if err != nil {
		t.Fatal(err)
	}
	mountsBefore, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*Host{l.Borea, l.Morgana} {
		if got := run(t, h, "echo $(ls /sys/class/net)"); got != "eth0 lo" {
			t.Errorf("/sys/class/net of %s: %q", h.Name, got)
		}
		if got := run(t, h, "cat /sys/class/net/eth0/carrier"); got != "1" {
			t.Errorf("carrier of %s: %q", h.Name, got)
		}
		if got := run(t, h, "uname -n"); got != h.Name {
			t.Errorf("%s is called %q", h.Name, got)
		}
		file := run(t, h, "cat /etc/hosts")
		for _, line := range []string{"10.9.0.1\tborea", "fd00:9::1\tborea", "10.9.0.2\tmorgana", "fd00:9::2\tmorgana"} {
			if !strings.Contains(file+"\n", line+"\n") {
				t.Errorf("/etc/hosts of %s lacks %q:\n%s", h.Name, line, file)
			}
		}
		if !strings.HasSuffix(file, strings.TrimSpace(string(hostsBefore))) {
			t.Errorf("/etc/hosts of %s lacks what was there before:\n%s", h.Name, file)
		}
	}
	hostsAfter, _ := os.ReadFile(hostsFile)
	if string(hostsAfter) != string(hostsBefore) {
		t.Error("/etc/hosts of the machine has changed")
	}
	mountsAfter, _ := os.ReadFile("/proc/self/mountinfo")
	if string(mountsAfter) != string(mountsBefore) {
		t.Errorf("mounts of the machine have changed from\n%s\nto\n%s", mountsBefore, mountsAfter)
	}
}

// On most machines mounts are shared between namespaces by default.
func TestCommandKeepsMountsToItself(t *testing.T) {
	NeedRoot(t)
	cmd := reexec(t, "role-mounts")
	cmd.SysProcAttr.Unshareflags = unix.CLONE_NEWNS
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "unchanged\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestCommandPassesStatusOn(t *testing.T) {
	l := newLab(t, Options{})
	c := l.Borea.Command(background, "sh", "-c", "exit 7")
	if err := c.Run(); err == nil || c.ProcessState.ExitCode() != 7 {
		t.Errorf("got %v, want exit status 7", err)
	}
	if err := l.Borea.Command(background, "/no/such/program").Run(); err == nil {
		t.Error("a missing program ran")
	}
	if out, err := l.Borea.Command(background, "echo", "hello").Output(); err != nil || string(out) != "hello\n" {
		t.Errorf("Output: %q, %v", out, err)
	}
}

func TestCommandDiesWithItsContext(t *testing.T) {
	l := newLab(t, Options{})
	ctx, cancel := context.WithCancel(background)
	c := l.Borea.Command(ctx, "sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := c.Wait(); err == nil {
		t.Error("a killed command ended well")
	}
}

// Close ends every process that keeps a host, also a process that ignores SIGTERM and has
// no parent any more.
func TestCloseEndsProcesses(t *testing.T) {
	l := newLab(t, Options{})
	pid := run(t, l.Morgana, "trap '' TERM; sleep 60 >/dev/null 2>&1 & echo $!")
	if !alive(pid) {
		t.Fatal("the orphan did not start")
	}
	c := l.Borea.Command(background, "sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the command ended well")
	}
	if alive(pid) {
		t.Error("the orphan lives on")
	}
}

// alive reports whether a process runs; a zombie does not.
func alive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}
