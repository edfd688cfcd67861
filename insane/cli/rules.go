package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane"
	"github.com/seed-39a139a1/insane/insane/rights"
	"github.com/seed-39a139a1/insane/insanely/api"
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
	path := c.String("rules")
	if !taken {
		if text, err = readFile(path); err != nil {
			return fmt.Errorf("rules: %w", err)
		}
	}
	conf.Rules, err = policy.ParseRules(text, fileName(path))
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	if conf.Rules == nil {
		conf.Rules = policy.Rules{} // a file without rules is one
	}
	return nil
}

// fileName returns how errors call a file.
func fileName(path string) string {
	if path == "-" {
		return "stdin"
	}
	return path
}

// readFile returns the text of a file.
func readFile(path string) (string, error) {
	from := os.Stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", unreadable(path, err)
		}
		defer file.Close()
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, api.MaxRulesFile+1))
	switch {
	case err != nil:
		return "", unreadable(path, err)
	case len(text) > api.MaxRulesFile:
		return "", fmt.Errorf("%q: is larger than %d bytes", fileName(path), api.MaxRulesFile)
	}
	return string(text), nil
}

// unreadable says why a file cannot be read.
func unreadable(path string, err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	return fmt.Errorf("%q: %w", fileName(path), err)
}
