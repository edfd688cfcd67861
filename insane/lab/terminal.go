package lab

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// holdTerminal returns a function that gives the terminal back to this process's
// group. A shell makes itself the foreground group and, if it is killed, stays
// that, and whoever writes or reads next would be stopped.
func holdTerminal() (restore func()) {
	group := unix.Getpgrp()
	if front, err := foreground(os.Stdin); err != nil || front != group {
		return func() {} // no terminal, or not ours to take
	}
	return func() {
		// Setting it from the background raises SIGTTOU (tcsetpgrp(3)).
		signal.Ignore(syscall.SIGTTOU)
		defer signal.Reset(syscall.SIGTTOU)
		_ = onFile(os.Stdin, func(fd int) error {
			return unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group)
		})
	}
}

// foreground is the foreground process group of the terminal f.
func foreground(f *os.File) (group int, err error) {
	err = onFile(f, func(fd int) error {
		group, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return group, err
}

// catchSignals keeps signals from ending this process before the command it is
// about to start, until the returned channel is stopped.
func catchSignals() chan os.Signal {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP)
	return signals
}

// passSignals gives the command what is caught, until the channel is closed. What
// a terminal sends, it sends to the command too, as that is in the same group or
// has taken the terminal for its own; the rest is passed on, a request to end as
// the signal polite.
func passSignals(signals <-chan os.Signal, command *os.Process, polite syscall.Signal) {
	atTerminal := isTerminal(os.Stdin)
	for s := range signals {
		switch {
		case s == syscall.SIGTERM:
			_ = command.Signal(polite)
		case s == syscall.SIGHUP || !atTerminal:
			_ = command.Signal(s)
		}
	}
}
