package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal with a simulated user.
type terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File

	mu   sync.Mutex
	text bytes.Buffer // all that appeared since the last expect; guarded by mu
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var number int
	err = onFile(master, func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, master: master, slave: slave}
	go func() { _, _ = io.Copy(term, bufio.NewReader(master)) }()
	t.Cleanup(func() { master.Close(); slave.Close() })
	return term
}

func (term *terminal) Write(p []byte) (int, error) {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.text.Write(p)
}

// own makes the command the leader of a session on this terminal.
func (term *terminal) own(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
}

func (term *terminal) press(keys string) {
	term.t.Helper()
	if _, err := io.WriteString(term.master, keys); err != nil {
		term.t.Fatal(err)
	}
}

// expect waits until a text appears, and discards the output up to its end.
func (term *terminal) expect(what string) {
	term.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		term.mu.Lock()
		before, after, found := strings.Cut(term.text.String(), what)
		if found {
			term.text.Reset()
			term.text.WriteString(after)
		}
		term.mu.Unlock()
		if found {
			return
		}
		if time.Now().After(deadline) {
			term.t.Fatalf("waited in vain for %q, saw %q", what, before)
		}
	}
}

// The keys of a terminal (termios(3)).
const (
	ctrlC = "\x03"
	ctrlZ = "\x1a"
)

// In a shell in the lab, the keys work as in every shell: they end or stop the foreground
// process, and neither the shell nor the lab.
func TestShellHasATerminal(t *testing.T) {
	NeedRoot(t)
	term := openTerminal(t)
	cmd := reexec(t, "role-exec", "--shell")
	cmd.Env = append(os.Environ(), "SHELL=/bin/sh", "TERM=dumb")
	term.own(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term.expect("exit  ") // of the hints
	term.expect("borea# ")

	// The terminal echoes the input, so an answer must not look like its question.
	term.press("sleep 600; echo status $((0+$?))\n")
	term.expect("$?))")
	Await(t, "sleep to take the terminal", term.sleeping)
	term.press(ctrlC)
	term.press("\necho interrupted-$((100+$?/130))\n")
	term.expect("interrupted-101")

	term.press("sleep 601\n")
	term.expect("sleep 601")
	Await(t, "sleep to take the terminal", term.sleeping)
	term.press(ctrlZ)
	term.expect("Stopped")
	term.press("kill -KILL %1; wait %1; echo ended-$((100+$?/137))\n")
	term.expect("ended-101")

	// The daemon is not in the foreground, so it got none of these signals.
	term.press("grep -c insane-lab-1 /proc/net/unix | sed 's/^[1-9].*/still-listening/'\n")
	term.expect("still-listening\r\n") // perhaps behind the prompt, if the echo came before it
	term.press("exit 3\n")
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("%v, want the shell's exit status 3", cmd.ProcessState)
	}
}

// sleeping reports whether sleep is the foreground process.
func (term *terminal) sleeping() bool {
	group, err := foreground(term.master)
	if err != nil {
		term.t.Fatal(err)
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", group))
	return err == nil && string(name) == "sleep\n"
}

// Ctrl-C ends the command and then the lab, with the command's status. The daemon does not
// get the signal; otherwise a command could not read the counters before it ends.
func TestExecHasATerminal(t *testing.T) {
	NeedRoot(t)
	term := openTerminal(t)
	cmd := reexec(t, "role-exec", "sh", "-c", `
		trap 'sleep 0.1; grep -q insane-lab-1 /proc/net/unix && echo caught, daemon there; exit 6' INT
		echo ready
		while :; do sleep 0.01; done`)
	term.own(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term.expect("ready")
	term.press(ctrlC)
	term.expect("caught, daemon there")
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 6 {
		t.Errorf("%v, want the command's exit status 6", cmd.ProcessState)
	}
}

// A shell that is killed cannot give the terminal back. After the lab, another process must
// be able to read from the terminal nevertheless.
func TestShellGivesTheTerminalBack(t *testing.T) {
	NeedRoot(t)
	term := openTerminal(t)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `"$BINARY" role-exec --shell; read line; echo "read: $line"`)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "SHELL=/bin/sh", "TERM=dumb", "BINARY="+self)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	term.own(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term.expect("borea# ")
	term.press("kill -KILL $$\n")
	term.expect("$$")
	term.press("here\n")
	term.expect("read: here")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
