package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// ruleVerbs are the words behind rule.
var ruleVerbs = []string{"add", "set", "del"}

// before is the word in front of the name of the rule before which a new one comes.
const before = "before"

// rule lists the rules, or changes one.
func (p *program) rule(c *cli.Context) error {
	if err := refuseFlags(c, deviceFlags...); err != nil {
		return err
	}
	// A match or a policy may be given as one word, in quotes.
	words := strings.Fields(strings.Join(c.Args().Slice(), " "))
	if len(words) == 0 {
		if err := refuseLease(c); err != nil {
			return err
		}
		return p.listRules(c)
	}
	change, err := ruleChange(words[0], words[1:])
	if err != nil {
		return err
	}
	return p.changeRules(c, change)
}

// ruleChange makes a change from a verb and the words behind it. Rules that do not exist are
// the daemon's matter.
func ruleChange(verb string, words []string) (change api.RulesChange, err error) {
	switch verb {
	case "add":
		return addition(words)
	case "set":
		r, err := policy.ParsePolicies(words)
		if err == nil {
			err = policy.CheckName(r.Name)
		}
		text := strings.Join(words, " ")
		return api.RulesChange{Set: &text}, err
	case "del":
		name := strings.Join(words, " ")
		if len(words) != 1 {
			return change, usagef("rule", "rule del %q: want the name of one rule", name)
		}
		return api.RulesChange{Delete: &name}, policy.CheckName(name)
	}
	return change, usagef("rule", "rule %q: want add, set or del, or nothing to show all rules", verb)
}

// addition makes a change from the words NAME [before NAME] MATCH DIRECTION POLICY…
func addition(words []string) (change api.RulesChange, err error) {
	if len(words) > 1 && words[1] == before {
		if len(words) == 2 {
			return change, usagef(before, "%s \"\": want the name of a rule", before)
		}
		if err := policy.CheckName(words[2]); err != nil {
			return change, err
		}
		change.Before = &words[2]
		words = append(words[:1:1], words[3:]...)
	}
	r, err := policy.ParseRule(words)
	text := r.String()
	change.Add = &text
	return change, err
}

// changeRules asks for a change and says how many rules there are afterwards.
func (p *program) changeRules(c *cli.Context, change api.RulesChange) error {
	client, err := p.open(c)
	if err != nil {
		return err
	}
	defer client.Close()
	change.Session = p.session(c)
	if err := readLease(c, &change.For, &change.Confirm, false); err != nil {
		return err
	}
	changed, err := client.ChangeRules(c.Context, change)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(changed)
	}
	return p.print(countText(changed.Total) + "\n")
}

// countText says how many rules there are.
func countText(n int) string {
	switch n {
	case 0:
		return "no rules"
	case 1:
		return "1 rule"
	default:
		return fmt.Sprintf("%d rules", n)
	}
}
