package cli

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane"
	"github.com/seed-39a139a1/insane/insane/rights"
	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/policy"
)

// leftRules is the name under which the rules are left to the program that the daemon executes
// to have fewer rights.
const leftRules = "INSANE_RULES"

// handRules leaves the rules to that program. nil: no file was given.
func handRules(rules policy.Rules) error {
	if rules == nil {
		return nil
	}
	return rights.Leave(leftRules, rules.String())
}

// rules reads the file of rules, if there is one. "-" is standard input.
func rules(c *cli.Context, conf *insane.Config) error {
	text, taken, err := rights.Take(leftRules)
	if err != nil || !c.IsSet("rules") {
		return err
	}
	file := insanely.RulesFile(c.String("rules"))
	if !taken {
		if text, err = file.Read(os.Stdin); err != nil {
			return fmt.Errorf("rules: %w", err)
		}
	}
	conf.Rules, err = policy.ParseRules(text, file.String())
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	if conf.Rules == nil {
		conf.Rules = policy.Rules{} // a file without rules is one
	}
	return nil
}
