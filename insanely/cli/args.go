package cli

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// cmdline is a command line in the order that the flag package of the standard library
// needs, because that package stops at the first word: flags of the app, the subcommand,
// its flags, "--", all other words.
type cmdline struct {
	argv    []string
	json    bool // whether --json is present; valid even if something else is wrong
	literal bool // "--" stood before the first word, so that it is no subcommand
}

// scan is the state of sortArgs.
type scan struct {
	global, local, words []string
	owner                string   // a subcommand that the local flags belong to
	names                []string // of the local flags
	rest                 bool     // "--" was seen: only words follow
	help                 bool     // --help is present
	cmdline
}

// sortArgs moves flags to the front, because people write them behind the words ("insanely
// eth0 pass --json"). It returns the first error together with the part that it could read.
func sortArgs(app *cli.App, args []string) (cmdline, error) {
	var s scan
	var first error
	for left := args[1:]; len(left) > 0; {
		n, err := s.take(app, left)
		if err != nil && first == nil {
			first = err
		}
		left = left[n:]
	}
	if s.help {
		s.words, s.local, s.owner = nil, nil, "" // there is only one page of help
	}
	command := s.command(app)
	if first == nil && s.owner != "" && !(command && hasFlags(app.Command(s.words[0]), s.names)) {
		first = usagef(s.owner, "flag %s: only with %s", s.local[0], s.owner)
	}
	s.argv = append(args[:1:1], s.global...)
	if command {
		s.argv = append(append(s.argv, s.words[0]), s.local...)
		s.words = s.words[1:]
	}
	s.argv = append(append(s.argv, "--"), s.words...)
	return s.cmdline, first
}

// take sorts the first of the remaining arguments and returns how many it used.
func (s *scan) take(app *cli.App, left []string) (int, error) {
	arg := left[0]
	if arg == "--" && !s.rest {
		s.rest = true
		s.literal = len(s.words) == 0
		return 1, nil
	}
	if s.rest || !looksLikeFlag(arg) {
		s.words = append(s.words, arg)
		return 1, nil
	}
	name, value, inline := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	flag, owner := findFlag(app, name)
	if flag == nil {
		return 1, usagef(name, "unknown flag %q (insanely --help shows all)", arg)
	}
	used := 1
	if flag.(cli.DocGenerationFlag).TakesValue() && !inline {
		if used++; len(left) < used {
			return 1, usagef(name, "flag --%s: a value is missing", name)
		}
	}
	s.json = s.json || name == "json" && (!inline || value == "true")
	s.help = s.help || slices.Contains(cli.HelpFlag.Names(), name)
	if owner != "" {
		s.owner, s.local, s.names = owner, append(s.local, left[:used]...), append(s.names, name)
	} else {
		s.global = append(s.global, left[:used]...)
	}
	return used, nil
}

// command reports whether the first word is a subcommand.
func (s *scan) command(app *cli.App) bool {
	return !s.literal && len(s.words) > 0 && app.Command(s.words[0]) != nil
}

// looksLikeFlag reports whether an argument is a flag. "-" is none, and words such as "-5"
// are none, because the error of package policy about them is better.
func looksLikeFlag(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && !strings.ContainsRune(".0123456789", rune(arg[1]))
}

// hasFlags reports whether a subcommand has all flags of these names. Flags of the same name take
// a value in all subcommands, or in none.
func hasFlags(command *cli.Command, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return !slices.ContainsFunc(command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	})
}

// findFlag finds a flag by name. owner is a subcommand that has the flag; "" for a flag
// of the app.
func findFlag(app *cli.App, name string) (flag cli.Flag, owner string) {
	named := func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }
	if i := slices.IndexFunc(app.Flags, named); i >= 0 {
		return app.Flags[i], ""
	}
	for _, command := range app.Commands {
		if i := slices.IndexFunc(command.Flags, named); i >= 0 {
			return command.Flags[i], command.Name
		}
	}
	return nil, ""
}

// badFlag returns the error for an invalid value of a flag. The flag package says 'invalid
// value "x" for flag -wait: why', or leaves out the word flag for a boolean one.
func badFlag(_ *cli.Context, err error, _ bool) error {
	said, rest, ok := strings.Cut(err.Error(), " for flag -")
	if !ok {
		said, rest, ok = strings.Cut(err.Error(), " for -")
	}
	if !ok {
		return usagef("", "%s", err)
	}
	name, why, _ := strings.Cut(rest, ": ")
	if why == "parse error" && (name == "json" || name == "judge-neighbours") {
		why = "want true or false"
	} else if why == "parse error" {
		why = "want a whole number, 0 or more"
	}
	return usagef(name, "flag --%s: %s: %s", name, said, why)
}

// refuse returns an error if words follow a subcommand, or if flags are given that the
// subcommand does not use. A user would believe that ignored words have an effect.
func refuse(c *cli.Context, flags ...string) error {
	if c.Args().Present() {
		return usagef(c.Command.Name, "%s %q: takes no words", c.Command.Name, c.Args().First())
	}
	return refuseFlags(c, flags...)
}

func refuseFlags(c *cli.Context, flags ...string) error {
	for _, flag := range flags {
		if c.IsSet(flag) {
			return usagef(flag, "flag --%s: not with %s", flag, c.Command.Name)
		}
	}
	return nil
}

// duration is the value of a flag: a duration of zero or more.
type duration time.Duration

// Set implements flag.Value.
func (d *duration) Set(text string) error {
	span, err := time.ParseDuration(text)
	if err != nil || span < 0 {
		return errors.New("want a duration such as 500ms or 2s")
	}
	*d = duration(span)
	return nil
}

// String implements flag.Value.
func (d *duration) String() string { return time.Duration(*d).String() }

// receiveMode is the value of a flag: one of the api.Receive… modes.
type receiveMode string

// Set implements flag.Value.
func (m *receiveMode) Set(text string) error {
	if err := api.CheckReceive(text); err != nil {
		return err
	}
	*m = receiveMode(text)
	return nil
}

// String implements flag.Value.
func (m *receiveMode) String() string { return string(*m) }
