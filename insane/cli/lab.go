package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// labSeed makes every run show the same losses. Its value is the year of the first insane.
const labSeed = 2000

// statusError is the exit status of a command that was run for the user. The user has
// already seen its output.
type statusError int

// Error returns the status as text.
func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func (p *program) lab() *cli.Command {
	return &cli.Command{
		Name:     "lab",
		HideHelp: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "seed", Value: strconv.Itoa(labSeed)},
			&cli.BoolFlag{Name: "shell"},
			cli.HelpFlag,
		},
		CustomHelpTemplate: help,
		OnUsageError:       badFlag,
		Action:             p.visitLab,
	}
}

// visitLab shows the device at work, or runs a command or a shell beside it.
func (p *program) visitLab(c *cli.Context) error {
	command := c.Args().Slice()
	if c.Bool("shell") && len(command) > 0 {
		return usagef("lab: %q: want --shell or a command, not both", command[0])
	}
	seed, err := parseSeed(c.String("seed"))
	if err != nil {
		return usagef("%v", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	signals, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	options := lab.Options{Insane: []string{exe, "--seed", strconv.FormatUint(seed, 10)}}
	if !c.Bool("shell") && len(command) == 0 {
		return lab.Tour(signals, p.out, options)
	}
	// Signals go to the command, so they must not end this process.
	ctx := context.WithoutCancel(signals)
	run := func() (int, error) { return lab.Exec(ctx, options, command) }
	if c.Bool("shell") {
		run = func() (int, error) { return lab.Shell(ctx, options, p.out) }
	}
	status, err := run()
	if err == nil && status != exitOK {
		err = statusError(status)
	}
	return err
}
