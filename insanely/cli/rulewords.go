package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy/match"
)

// namesTimeout is how long a completion may wait for the names of rules.
const namesTimeout = 300 * time.Millisecond

// sides are the words in front of a part of a match that say which side of a packet it is for.
var sides = []string{"src", "dst"}

// ruleWords returns the words that can follow words behind rule. flags are those on the
// line, which may name the device.
func (p *program) ruleWords(flags, words []string) []string {
	if len(words) == 0 {
		return slices.Clone(ruleVerbs)
	}
	verb, words := words[0], words[1:]
	switch {
	case !slices.Contains(ruleVerbs, verb):
		return nil
	case verb != "add" && len(words) == 0, verb == "add" && len(words) == 2 && words[1] == before:
		return p.ruleNames(flags)
	case verb == "add" && len(words) == 1:
		return append([]string{before}, matchWords(nil)...)
	case verb == "add" && len(words) > 2 && words[1] == before:
		return policyWords(words[3:], matchWords)
	case verb == "add" && len(words) > 1:
		return policyWords(words[1:], matchWords)
	case verb == "set":
		return policyWords(words[1:], func(words []string) []string {
			if len(words) > 0 {
				return nil
			}
			return slices.Clone(directions)
		})
	}
	return nil
}

// policyWords returns the words that can follow words in which policies stand behind
// something else, whose next words are those of other.
func policyWords(words []string, other func([]string) []string) []string {
	isDirection := func(word string) bool { return slices.Contains(directions, word) }
	switch {
	case !slices.ContainsFunc(words, isDirection):
		return other(words)
	case isDirection(words[len(words)-1]):
		return slices.Clone(modes)
	}
	return nil
}

// matchWords returns the words that can follow words of a match, and the directions behind a
// match that may be complete.
func matchWords(words []string) []string {
	last := ""
	if len(words) > 0 {
		last = words[len(words)-1]
	}
	var begin, behindSide, behindEther []string
	for _, form := range match.Forms() {
		first, second, two := strings.Cut(form.Name, " ")
		name := first
		if two {
			name = second
			behindEther = append(behindEther, second)
		} else if strings.HasPrefix(form.Usage, "[src|dst]") {
			behindSide = append(behindSide, first)
		}
		if !slices.Contains(begin, first) {
			begin = append(begin, first)
		}
		usage := strings.Fields(form.Usage)
		if argument := usage[len(usage)-1]; name == last && argument != name && argument[0] != '[' {
			return nil // nobody can guess it
		}
	}
	switch last {
	case "":
		return append(begin, sides...)
	case "src", "dst":
		return behindSide
	case "ether":
		return append(behindEther, sides...)
	}
	return slices.Concat(begin[1:], sides, directions) // the first is any, which stands alone
}

// ruleNames asks the daemon that the flags and the environment name for the names of its
// rules. It returns none if it does not answer at once.
func (p *program) ruleNames(flags []string) (names []string) {
	app := p.app()
	app.Commands, app.Writer, app.ErrWriter = nil, io.Discard, io.Discard
	app.Action = func(c *cli.Context) error {
		socket, err := p.socket(c)
		if err != nil {
			return err
		}
		client := insanely.Dial(socket)
		defer client.Close()
		ctx, cancel := context.WithTimeout(c.Context, namesTimeout)
		defer cancel()
		rules, err := client.Rules(ctx)
		for _, rule := range rules {
			if rule.Name != api.DefaultRule {
				names = append(names, rule.Name)
			}
		}
		return err
	}
	_ = app.Run(append([]string{app.Name}, flags...)) // then there is nothing to offer
	return names
}

// pathNames returns the files whose paths begin with prefix; directories end in "/".
func pathNames(prefix string) (names []string) {
	dir, _ := filepath.Split(prefix)
	files, _ := os.ReadDir(filepath.Clean(dir)) // of "" it is "."
	for _, file := range files {
		name := dir + file.Name()
		if file.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	return names
}
