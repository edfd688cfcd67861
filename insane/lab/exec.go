package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

// Exit statuses of a command that could not be run, as in shells.
const (
	statusNotExecutable = 126
	statusNotFound      = 127
	statusSignal        = 128 // plus the signal's number
)

// Exec makes a lab with a device that relays everything between borea and morgana, runs
// argv in borea on this process's own terminal, and returns its exit status, or 128 plus
// the number of the signal that ended it. The commands of this project find the device.
// While argv runs, it gets all signals: those from the terminal directly, others through
// this process. When ctx ends, argv gets SIGTERM, and 5 s later SIGKILL.
//
// If there is an error, the status is 126 or 127 if argv could not be run, and 1 if the lab
// failed.
func Exec(ctx context.Context, options Options, argv []string) (status int, err error) {
	if len(argv) == 0 {
		return 1, errors.New("no command given")
	}
	return session{options: options, argv: argv, polite: syscall.SIGTERM}.run(ctx)
}

// Shell runs Exec with $SHELL, or else with /bin/sh, after it has printed a few hints to
// out.
func Shell(ctx context.Context, options Options, out io.Writer) (status int, err error) {
	shell := os.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	return session{
		options: options,
		argv:    []string{shell},
		// Interactive shells ignore SIGTERM.
		polite: syscall.SIGHUP,
		before: func() { hint(newPrinter(out)) },
	}.run(ctx)
}

// session is one command in its own lab.
type session struct {
	options Options
	argv    []string
	polite  syscall.Signal // the signal that asks the command to end
	before  func()         // runs when the lab is ready; may be nil
}

func (s session) run(ctx context.Context) (status int, err error) {
	l, err := New(s.options)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	d, err := l.Daemon(ctx, l.routeArgs()...)
	if err != nil {
		return 1, err
	}
	if s.before != nil {
		s.before()
	}
	return s.foreground(ctx, d)
}

// foreground runs the command with the terminal and the signals of this process.
func (s session) foreground(ctx context.Context, d *Daemon) (status int, err error) {
	c := s.command(ctx, d)
	defer holdTerminal()()
	// Catch signals before the start, because another process may signal us as soon as the
	// command runs.
	signals := catchSignals()
	defer func() { signal.Stop(signals); close(signals) }() // ends passSignals
	if err := c.Start(); err != nil {
		return startStatus(err), fmt.Errorf("run %s: %w", s.argv[0], err)
	}
	go passSignals(signals, c.Process, s.polite)
	return exitStatus(c.Wait())
}

// command prepares the command and the environment in which it finds the device.
func (s session) command(ctx context.Context, d *Daemon) *Cmd {
	name, dir := s.argv[0], companions()
	if beside := filepath.Join(dir, name); dir != "" && filepath.Base(name) == name && executable(beside) {
		name = beside
	}
	c := d.Command(ctx, name, s.argv[1:]...)
	c.Args[0] = s.argv[0]
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	// For shells whose prompt does not show the host's name.
	c.Env = append(c.Env, "PS1="+d.host.Name+"# ")
	if dir != "" {
		c.Env = append(c.Env, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	c.Cancel = func() error { return c.Process.Signal(s.polite) }
	c.WaitDelay = stopTimeout
	return c
}

// companions returns the directory of this executable if the insanely command is there too,
// so that a user can try a build before it is installed.
func companions() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	dir := filepath.Dir(self)
	if !executable(filepath.Join(dir, "insanely")) {
		return ""
	}
	return dir
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// startStatus is the exit status for a command that did not start.
func startStatus(err error) int {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		return statusNotFound
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.ENOEXEC):
		return statusNotExecutable
	default:
		return 1
	}
}

// exitStatus turns the result of Wait into a status. A failed command is no error.
func exitStatus(err error) (int, error) {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		if err != nil {
			return 1, fmt.Errorf("wait for the command: %w", err)
		}
		return 0, nil
	}
	if wait, ok := exit.Sys().(syscall.WaitStatus); ok && wait.Signaled() {
		return statusSignal + int(wait.Signal()), nil
	}
	return exit.ExitCode(), nil
}
