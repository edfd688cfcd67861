// Package cli is the insane command: it turns a command line into a device and
// runs it until a signal comes, or into a lab.
//
// config.go makes a Config of the flags and refuses what cannot be before
// anything is created; daemon.go runs it; lab.go leads into package lab.
//
//	cli.go         the commands and their exit codes
//	config.go      the flags of a device
//	directions.go  the flags for what either direction is to do
//	daemon.go      a device from its start to its end
//	lab.go         two hosts for a demonstration
//	help.go        the manual
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

// Exit codes, as --help has them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the command line args, where args[0] is the name of the program,
// until it is done or a SIGINT or SIGTERM asks it to end, and returns its exit
// code.
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

// usageError is a command line that cannot be. Nothing was created.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

func badFlag(_ *cli.Context, err error, _ bool) error {
	return usagef("%v (see insane --help)", err)
}

// exitCode is 0, the status of a command that was run for the user, or ours.
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

// version is what the go command stamped into the binary.
func version() string {
	if build, ok := debug.ReadBuildInfo(); ok && build.Main.Version != "" {
		return build.Main.Version
	}
	return "(unknown)"
}
