// Package cli is the insane command. It makes a device from a command line and runs it
// until a signal comes, or it runs a lab.
//
// config.go makes a Config from the flags and checks everything before anything is created;
// directions.go reads the policies and the receive mode; daemon.go runs the device; advice.go
// says what to do about an error; lab.go runs package lab; help.go has the manual; cli.go has the rest.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// Exit codes; --help lists them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the command line args, where args[0] is the name of the program. It returns the
// exit code when the command has ended, or when SIGINT or SIGTERM has ended it.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &program{out: stdout, err: stderr}
	err := p.app().RunContext(ctx, args)
	if status := statusError(0); err != nil && !errors.As(err, &status) {
		fmt.Fprintln(stderr, "insane: "+oneLine(err))
	}
	return exitCode(err)
}

// program is one run of the command.
type program struct {
	out, err io.Writer
}

func (p *program) app() *cli.App {
	return &cli.App{
		Name:                  "insane",
		Usage:                 "a network device that loses packets as you wish",
		Version:               version(),
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

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// version returns the version that the go command wrote into the binary.
func version() string {
	if build, ok := debug.ReadBuildInfo(); ok && build.Main.Version != "" {
		return build.Main.Version
	}
	return "(unknown)"
}
