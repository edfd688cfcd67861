// Package cli is the insanely command: it reads the command line, sends a request to one
// daemon through package insanely, and prints the answer.
//
// The files follow a call. args.go sorts the command line; change.go makes a change from
// its words; the files with the name of a subcommand send the request and print the answer;
// fail.go turns an error into one line and an exit code. Everything is checked before the
// command connects, so a bad value changes nothing.
//
//	cli.go         the subcommands
//	args.go        the words of the command line, sorted
//	change.go      a change made of words
//	namespace.go   whether the device is in the network namespace of the command
//	device.go      the device, printed
//	did.go         what was asked for beside losses and what was done, and how late
//	sentence.go    what was asked for and what was done, in words
//	takes.go       the addresses whose frames the device takes
//	stats.go       the counters, printed
//	watch.go       the counters as they move
//	verify.go      what was asked for compared with what an independent witness sees
//	rule.go        a change of one rule, made of words
//	rulelist.go    the rules with their counters, printed
//	rules.go       all rules, from a file and as a file
//	record.go      a recording of each packet, written
//	files.go       the files of a recording
//	explain.go     a recording, read
//	packet.go      one packet of it, printed
//	replay.go      a recording, sent to the daemon
//	list.go        the devices of this host
//	completion.go  the words that a shell completes
//	rulewords.go   those behind rule
//	lease.go       changes that end by themselves, and confirmations
//	log.go         the log of changes, printed
//	fail.go        errors: one line and an exit code
//	help.go        the manual
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/version"
)

// Main runs the command line args, where args[0] is the name of the program,
// and returns its exit code.
func Main(args []string, stdout, stderr io.Writer, getenv func(string) string) int {
	out := &output{to: stdout}
	p := &program{in: os.Stdin, out: out, err: stderr, getenv: getenv}
	app := p.app()
	line, err := sortArgs(app, args)
	if err == nil {
		if line.literal {
			app.Commands = nil // then even "stats" is a slave
		}
		app.Writer, app.ErrWriter = out, stderr
		if err = app.Run(line.argv); err == nil {
			err = out.err // the library prints the manual and the version, and ignores errors
		}
	}
	if err != nil {
		fmt.Fprint(stderr, oneLine(err, line.json))
	}
	return exitCode(err)
}

// program is one run of the command.
type program struct {
	in     io.Reader
	out    io.Writer
	err    io.Writer
	getenv func(string) string
}

// app describes the command to urfave/cli. Each run needs a new one, because it stores
// parsed values.
func (p *program) app() *cli.App {
	app := &cli.App{
		Name:      "insanely",
		Usage:     "control a fault-injecting network device",
		Flags:     globalFlags(),
		Commands:  p.commands(),
		Action:    p.device,
		ArgsUsage: "[SLAVE [[tx|rx|both] POLICY]]",
		// One page explains everything, so all subcommands show the same page.
		CustomAppHelpTemplate: help,
		HideHelpCommand:       true,
		OnUsageError:          badFlag,
		// Main returns the exit code; the library would call os.Exit.
		ExitErrHandler: func(*cli.Context, error) {},
	}
	version.Add(app, nil)
	return app
}

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "name"},
		&cli.StringFlag{Name: "socket"},
		&cli.BoolFlag{Name: "json"},
		&cli.GenericFlag{Name: "wait", Value: new(duration)},
		&cli.Uint64Flag{Name: "seed"},
		&cli.BoolFlag{Name: anyNetns},
		&cli.BoolFlag{Name: "judge-neighbours"},
		&cli.BoolFlag{Name: noProtect},
		&cli.GenericFlag{Name: "receive", Value: new(receiveMode)},
		&cli.GenericFlag{Name: leaseFor, Value: new(leaseTime)},
		&cli.GenericFlag{Name: leaseConfirm, Value: new(leaseTime)},
		cli.HelpFlag,
		cli.VersionFlag,
	}
}

func (p *program) commands() []*cli.Command {
	interval := duration(time.Second)
	commands := []*cli.Command{
		{Name: "stats", Action: p.stats},
		{Name: "watch", Action: p.watch, Flags: []cli.Flag{
			&cli.GenericFlag{Name: "interval", Value: &interval},
			&cli.UintFlag{Name: "count"},
		}},
		{Name: "verify", Action: p.verify},
		{Name: "rule", Action: p.rule},
		{Name: "rules", Action: p.rules},
		{Name: "confirm", Action: p.confirm},
		{Name: "log", Action: p.log},
		{Name: "record", Action: p.record, Flags: recordFlags()},
		{Name: "explain", Action: p.explain, Flags: explainFlags()},
		{Name: "replay", Action: p.replay},
		{Name: "list", Action: p.list},
		{Name: "completion", Action: p.completion},
		{Name: "help", Action: cli.ShowAppHelp},
	}
	for _, command := range commands {
		command.OnUsageError = badFlag
		command.HideHelp = true // --help is sorted to the front and is the app's
	}
	return commands
}

// open makes the client of the daemon that the flags and the environment name. With --wait
// it waits until the daemon answers.
func (p *program) open(c *cli.Context) (*insanely.Client, error) {
	socket, err := p.socket(c)
	if err != nil {
		return nil, err
	}
	client := insanely.Dial(socket)
	wait := time.Duration(*c.Generic("wait").(*duration))
	if wait == 0 {
		return client, nil
	}
	ctx, cancel := context.WithTimeout(c.Context, wait)
	defer cancel()
	_, err = client.Wait(ctx)
	return client, err
}

// print writes text for a user.
func (p *program) print(text string) error { return p.write(api.ShowText(text)) }

// printJSON writes v as JSON for a program: one object or list, indented.
func (p *program) printJSON(v any) error { return p.write(toJSON(v, "  ")) }

// write writes all of the text and returns an error if it cannot, for example on a full
// disk.
func (p *program) write(text string) error {
	_, err := io.WriteString(p.out, text)
	return err
}

// output writes what the command prints, and keeps the first error.
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

// toJSON encodes values that can always be encoded: structs of text and finite numbers. It
// keeps "<", which json.Marshal would escape for browsers.
func toJSON(v any, indent string) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(v); err != nil {
		panic(err)
	}
	return text.String()
}

// show asks the daemon, and prints the answer: as JSON, or as text makes it. It is for a subcommand
// that takes no words and changes no policy.
func show[T any](p *program, c *cli.Context, ask func(*insanely.Client, context.Context) (T, error), text func(T) string) error {
	if err := refuse(c, changeFlags...); err != nil {
		return err
	}
	client, err := p.open(c)
	if err != nil {
		return err
	}
	defer client.Close()
	answer, err := ask(client, c.Context)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(answer)
	}
	return p.print(text(answer))
}
