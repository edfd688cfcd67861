package lab

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// holdTerminal returns a function that makes this process's group the foreground group of
// the terminal again. A shell makes its own group the foreground group. If the shell is
// killed, that stays so, and the kernel would stop the next process of this group that
// reads or writes.
func holdTerminal() (restore func()) {
	group := unix.Getpgrp()
	if front, err := foreground(os.Stdin); err != nil || front != group {
		return func() {} // there is no terminal, or another group has it
	}
	return func() {
		// tcsetpgrp(3) from the background raises SIGTTOU.
		signal.Ignore(syscall.SIGTTOU)
		defer signal.Reset(syscall.SIGTTOU)
		_ = onFile(os.Stdin, func(fd int) error {
			return unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group)
		})
	}
}

// foreground returns the foreground process group of the terminal f.
func foreground(f *os.File) (group int, err error) {
	err = onFile(f, func(fd int) error {
		group, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return group, err
}

// catchSignals keeps signals from ending this process, until the returned channel is
// stopped. Call it before the start of a command.
func catchSignals() chan os.Signal {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP)
	return signals
}

// passSignals passes caught signals on to the command, until the channel is closed. It
// passes no signal of the terminal, because the terminal sends it to the command too: the
// command is in the same group, or has made its own group the foreground group. It replaces
// a request to end by the signal polite.
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
