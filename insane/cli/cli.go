// Package cli is the insane command. It makes a device from a command line and runs it
// until a signal comes, or it runs a lab.
//
// config.go makes a Config from the flags and checks everything before anything is created;
// parse.go reads what they say; directions.go reads the policies and the receive mode; rules.go
// reads the file of rules, and hands it to the program that the daemon executes; daemon.go runs the device; queue.go hands the log on, so that nothing waits for who reads
// it; netns.go puts the daemon into another network namespace; manager.go speaks with the service
// manager; advice.go says what to do about an error; lab.go runs package lab; features.go says what the
// kernel has; help.go has the manual; cli.go has the rest.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/version"
)

// Exit codes; --help lists them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// How long the end waits for somebody to read what was written to standard error, unless a
// signal has ended a daemon: after success, and after an error, which is worth more time.
const (
	lastWords = 150 * time.Millisecond
	lastError = time.Second
)

// Main runs the command line args, where args[0] is the name of the program. It returns the
// exit code when the command has ended, or when a signal has ended it.
func Main(args []string, stdout, stderr io.Writer) int {
	out := &output{to: stdout}
	p := &program{out: out, err: newQueue(stderr), own: slices.Equal(args, os.Args)}
	err := p.app().RunContext(context.Background(), args)
	if err == nil {
		err = out.err // the library prints the manual and the version, and ignores errors
	}
	patience := lastWords
	if status := statusError(0); err != nil && !errors.As(err, &status) {
		fmt.Fprintln(p.err, "insane: "+oneLine(err))
		patience = lastError
	}
	if p.patience > 0 {
		patience = p.patience
	}
	p.err.close(patience)
	return exitCode(err)
}

// program is one run of the command.
type program struct {
	out      io.Writer
	err      *queue
	patience time.Duration // what a signal has left for the end; 0: there was none

	own bool // the arguments are those of the process, which may give up rights
}

func (p *program) app() *cli.App {
	app := &cli.App{
		Name:                  "insane",
		Usage:                 "a network device that loses packets as you wish",
		Flags:                 daemonFlags(),
		Action:                p.daemon,
		Commands:              []*cli.Command{p.lab()},
		CustomAppHelpTemplate: help,
		HideHelpCommand:       true,
		Writer:                p.out,
		ErrWriter:             p.err,
		OnUsageError:          badFlag,
		// Main returns the exit code; the library would call os.Exit.
		ExitErrHandler: func(*cli.Context, error) {},
	}
	version.Add(app, features)
	return app
}

// output writes what the command prints, and keeps the first error, as on a full disk.
type output struct {
	to  io.Writer
	err error
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.to.Write(b)
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("write output: %w", err)
	}
	return n, o.err
}

// usageError is an invalid command line. Nothing was created.
type usageError struct{ message string }

// Error returns the message.
func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

func badFlag(_ *cli.Context, err error, _ bool) error {
	return usagef("%v (see insane --help)", err)
}

// exitCode returns 0, or the status of a command that was run for the user, or the code for
// an error of this program.
func exitCode(err error) int {
	var usage *usageError
	var status statusError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

func oneLine(err error) string { return api.ShowText(strings.ReplaceAll(err.Error(), "\n", "; ")) }
