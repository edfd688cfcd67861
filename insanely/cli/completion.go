package cli

import (
	"embed"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// scripts are the completion scripts of the shells. They contain no words themselves: each
// calls "insanely completion words -- WORD… PREFIX", which prints the possible next words.
//
//go:embed completion
var scripts embed.FS

var shells = []string{"bash", "zsh", "fish"}

// completion prints a script, or the possible next words for a script.
func (p *program) completion(c *cli.Context) error {
	if err := refuseFlags(c, append([]string{"wait", "name", "socket"}, changeFlags...)...); err != nil {
		return err
	}
	words := c.Args().Slice()
	if len(words) > 0 && words[0] == "words" {
		return p.printWords(p.candidates(c.App, words[1:]))
	}
	if len(words) != 1 || !slices.Contains(shells, words[0]) {
		return usagef("completion", "completion %q: want bash, zsh or fish", strings.Join(words, " "))
	}
	script, err := scripts.ReadFile("completion/insanely." + words[0])
	if err != nil {
		return err
	}
	return p.write(string(script))
}

func (p *program) printWords(words []string) error {
	if len(words) == 0 {
		return nil
	}
	return p.print(strings.Join(words, "\n") + "\n")
}

// candidates returns the possible values of the last of args, which may be empty or the
// beginning of a word.
func (p *program) candidates(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return nil
	}
	last := len(args) - 1
	typed, prefix := args[:last], args[last]
	s, wanting := completed(app, typed)
	if s.literal {
		app.Commands = nil
	}
	var all []string
	switch {
	case wanting == "name":
		all = deviceNames()
	case wanting == "receive":
		all = api.ReceiveModes()
	case wanting == "w":
		all = pathNames(prefix)
	case wanting != "":
	case strings.HasPrefix(prefix, "-"):
		all = flagNames(app, s.words)
	case slices.Equal(s.words, []string{"rules", "load"}) && app.Commands != nil:
		all = pathNames(prefix)
	case len(s.words) == 1 && slices.Contains([]string{"explain", "replay"}, s.words[0]) && app.Commands != nil:
		all = pathNames(prefix)
	case len(s.words) > 0 && s.words[0] == "rule" && app.Commands != nil:
		all = p.ruleWords(s.global, s.words[1:])
	default:
		all = nextWords(app, s.words)
	}
	return slices.DeleteFunc(all, func(word string) bool { return !strings.HasPrefix(word, prefix) })
}

// completed returns the words and flags before the cursor; wanting is the flag at their end
// that still needs a value.
func completed(app *cli.App, typed []string) (s scan, wanting string) {
	for len(typed) > 0 {
		n, err := s.take(app, typed)
		if flag, _ := findFlag(app, strings.TrimLeft(typed[0], "-")); err != nil && flag != nil {
			return s, flag.Names()[0]
		}
		typed = typed[n:]
	}
	return s, ""
}

// nextWords returns the words that can follow words.
func nextWords(app *cli.App, words []string) []string {
	if len(words) == 0 {
		return append(commandNames(app), linkNames()...)
	}
	switch {
	case words[0] == "completion" && len(words) == 1:
		return slices.Clone(shells)
	case words[0] == "rules" && len(words) == 1 && app.Commands != nil:
		return slices.Clone(rulesVerbs)
	case words[0] == "replay" && len(words) == 2 && app.Commands != nil:
		return linkNames()
	case app.Command(words[0]) != nil:
		return nil
	case len(words) == 1:
		return slices.Concat(modes, directions)
	case len(words) == 2 && slices.Contains(directions, words[1]):
		return slices.Clone(modes)
	default:
		return nil // a number: there is nothing to offer
	}
}

func commandNames(app *cli.App) (names []string) {
	for _, command := range app.Commands {
		names = append(names, command.Name)
	}
	return names
}

// flagNames returns the flags that can follow words.
func flagNames(app *cli.App, words []string) (names []string) {
	flags := app.Flags
	if len(words) > 0 {
		if command := app.Command(words[0]); command != nil {
			flags = slices.Concat(flags, command.Flags)
		}
	}
	for _, flag := range flags {
		name := "--" + flag.Names()[0]
		if len(name) == len("--w") {
			name = name[1:]
		}
		names = append(names, name)
	}
	return names
}

// linkNames returns the links of the caller's network namespace. sysfs shows the links of
// the namespace in which it was mounted; that is good enough for a completion.
func linkNames() []string { return fileNames("/sys/class/net", "") }

func deviceNames() []string { return fileNames(api.SocketDir, ".sock") }

// fileNames returns the names in dir that have the suffix, without the suffix. It returns
// none if the directory does not exist.
func fileNames(dir, suffix string) (names []string) {
	files, _ := os.ReadDir(dir)
	for _, file := range files {
		if name, ok := strings.CutSuffix(file.Name(), suffix); ok {
			names = append(names, api.ShowName(name))
		}
	}
	return names
}
