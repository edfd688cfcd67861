package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// rulesVerbs are the words behind rules.
var rulesVerbs = []string{"load", "save"}

// rules replaces all rules by those of a file, or prints such a file.
func (p *program) rules(c *cli.Context) error {
	if err := refuseFlags(c, deviceFlags...); err != nil {
		return err
	}
	words := c.Args().Slice()
	switch {
	case len(words) == 2 && words[0] == "load":
		return p.loadRules(c, words[1])
	case len(words) == 1 && words[0] == "save":
		if err := refuseLease(c); err != nil {
			return err
		}
		return p.saveRules(c)
	case slices.Equal(words, []string{"load"}):
		return usagef("file", "rules load \"\": want the name of a file, or - for standard input")
	}
	return usagef("rules", "rules %q: want load FILE or save; insanely rule shows the rules", strings.Join(words, " "))
}

// loadRules sends the text of a file. The file is read here, because the daemon may see other
// files or have other rights; it is sent as it is, so that a daemon that refuses it names the
// same line.
func (p *program) loadRules(c *cli.Context, path string) error {
	file := insanely.RulesFile(path)
	text, err := file.Read(p.in)
	if err != nil {
		return usagef("file", "file %v", err)
	}
	if _, err := policy.ParseRules(text, file.String()); err != nil {
		return err
	}
	return p.changeRules(c, api.RulesChange{Load: &text})
}

// saveRules prints the rules as a file, or as the change that makes them.
func (p *program) saveRules(c *cli.Context) error {
	client, err := p.open(c)
	if err != nil {
		return err
	}
	defer client.Close()
	text, err := client.RulesFile(c.Context)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(api.RulesChange{Load: &text})
	}
	return p.print(text)
}
