package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed-39a139a1/insane/insanely"
)

const (
	readyTimeout = 2 * time.Minute // from the start of a daemon until it answers
	stopTimeout  = 5 * time.Second // from SIGTERM until the daemon ends; then SIGKILL
)

// Daemon is an insane process in borea. Its methods may be called from any goroutine.
type Daemon struct {
	// Socket is its control socket, in the form that the commands accept. It is abstract:
	// it has no file, and exists in the network namespace of borea only.
	Socket string

	// Client reaches the daemon from any namespace. It is closed when the daemon ends.
	Client *insanely.Client

	host    *Host
	cmd     *Cmd
	process *os.Process
	log     tail          // of both outputs
	exited  chan struct{} // closed after err is set
	err     error
}

// Daemon starts Options.Insane in borea with a control socket and args, and returns when
// the daemon answers. If the process ends instead, the error has the last lines of its
// output. The daemon is stopped when ctx ends, and killed when the lab is closed. Ctrl-C
// does not reach it, because it is outside the foreground process group of the terminal.
func (l *Lab) Daemon(ctx context.Context, args ...string) (*Daemon, error) {
	d := &Daemon{
		Socket: fmt.Sprintf("@insane-lab-%d", l.daemons.Add(1)),
		host:   l.Borea,
		exited: make(chan struct{}),
	}
	argv := slices.Concat(l.options.Insane, []string{"--socket", d.Socket}, args)
	d.Client = insanely.NewClient(d.dial)
	d.cmd = l.Borea.Command(ctx, argv[0], argv[1:]...)
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
	// A separate process group: Ctrl-C goes to the terminal's foreground group.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.WaitDelay = stopTimeout
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	go d.reap()
	d.process = l.options.Process(d.cmd.Process)
	if err := d.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, d.Kill())
	}
	return d, nil
}

// reap waits for the process, once, and closes exited.
func (d *Daemon) reap() {
	d.err = d.cmd.Wait()
	_ = d.Client.Close()
	close(d.exited)
}

// awaitReady waits for the first answer or for the end of the process.
func (d *Daemon) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	ready := make(chan error, 1)
	go func() { ready <- d.answer(ctx) }()
	select {
	case err := <-ready:
		if err != nil {
			return fmt.Errorf("wait for the daemon: %w%s", err, d.lastWords())
		}
		return nil
	case <-d.exited:
		return fmt.Errorf("daemon ended at once (%s)%s", d.cmd.ProcessState, d.lastWords())
	}
}

// answer waits for the first answer. The timeout of the client fits daemons that run
// already; a daemon that has just made its socket may take longer on a busy machine.
func (d *Daemon) answer(ctx context.Context) error {
	for {
		_, err := d.Client.Wait(ctx)
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// dial connects to the control socket. An abstract socket belongs to the network namespace
// in which it was made (unix(7)), so the connecting socket is made in borea too.
func (d *Daemon) dial(ctx context.Context) (conn net.Conn, err error) {
	err = d.host.Do(func() error {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, "unix", d.Socket)
		return err
	})
	return conn, err
}

// Command prepares a command to be run in borea. Its environment makes insanely talk to
// this daemon.
func (d *Daemon) Command(ctx context.Context, name string, args ...string) *Cmd {
	c := d.host.Command(ctx, name, args...)
	c.Env = append(os.Environ(), "INSANE_SOCKET="+d.Socket)
	return c
}

// PID returns the process ID of the daemon, also after it has ended.
func (d *Daemon) PID() int { return d.process.Pid }

// Stop sends SIGTERM to the daemon, waits, and returns how the daemon ended. It kills a
// daemon that takes longer than 5 s.
func (d *Daemon) Stop() error {
	if err := d.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-d.exited:
		return d.err
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("daemon did not end within %v of SIGTERM", stopTimeout), d.Kill())
	}
}

// Kill ends the daemon with SIGKILL and waits for its end.
func (d *Daemon) Kill() error {
	if err := d.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-d.exited
	return nil
}

// Wait waits for the end of the daemon and returns it as exec.Cmd.Wait does.
func (d *Daemon) Wait() error {
	<-d.exited
	return d.err
}

// Logs returns the last 64 KiB of what the daemon has written on both outputs.
func (d *Daemon) Logs() string { return d.log.String() }

// signal sends a signal. It is no error if the process has ended.
func (d *Daemon) signal(s os.Signal) error {
	if err := d.process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal the daemon: %w", err)
	}
	return nil
}

// explain adds to an error that the daemon has ended, if it has.
func (d *Daemon) explain(err error) error {
	if errors.Is(err, context.Canceled) {
		return err // the daemon ended because ctx did
	}
	select {
	case <-d.exited:
		return fmt.Errorf("%w (the daemon ended: %s%s)", err, d.cmd.ProcessState, d.lastWords())
	default:
		return err
	}
}

// lastWords returns the end of the log, for the text of an error.
func (d *Daemon) lastWords() string {
	const most = 5 // lines
	lines := strings.Split(strings.TrimSpace(d.Logs()), "\n")
	if lines[0] == "" {
		return ", without a word"
	}
	return ": " + strings.Join(lines[max(0, len(lines)-most):], " | ")
}
