package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// listRules prints all rules with their counters, and the policies of the directions as the
// last one.
func (p *program) listRules(c *cli.Context) error {
	client, err := p.open(c)
	if err != nil {
		return err
	}
	defer client.Close()
	rules, err := client.Rules(c.Context)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(rules)
	}
	return p.print(rulesText(rules))
}

// The columns of the list. Those from firstNumber on are numbers.
var ruleColumns = [...]string{"RULE", "MATCH", "DIR", "POLICY", "OFFERED", "LOST", "HELD"}

const (
	policyColumn = 3
	firstNumber  = 4
	lostColumn   = 5
)

// ruleLine is one line of the list.
type ruleLine [len(ruleColumns)]string

// rulesText lists rules: a line for each direction. Below it is what has lost packets, if that
// is more than one stage.
func rulesText(rules []api.Rule) string {
	lines := []ruleLine{ruleColumns}
	for _, rule := range rules {
		lines = append(lines, ruleLines(rule, "tx", rule.TX)...)
		lines = append(lines, ruleLines(rule, "rx", rule.RX)...)
	}
	var widths [len(ruleColumns)]int
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	for _, line := range lines {
		var cells []string
		for i, cell := range line {
			width := widths[i]
			if i < firstNumber {
				width = -width // to the left
			}
			cells = append(cells, fmt.Sprintf("%*s", width, cell))
		}
		text.WriteString(strings.TrimRight(strings.Join(cells, "  "), " ") + "\n")
	}
	return text.String()
}

// ruleLines are the lines of a rule in one direction; none if it does not look at it.
func ruleLines(rule api.Rule, direction string, d *api.RuleDirection) []ruleLine {
	if d == nil {
		return nil
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	lines := []ruleLine{{rule.Name, rule.Match, direction, d.Policy, number(d.Stats.Offered.Packets),
		number(dropped(d.Stats).Packets), number(d.Stats.Held.Packets)}}
	for _, cause := range causes(d.Stats) {
		var line ruleLine
		line[policyColumn], line[lostColumn] = "  "+cause.label, number(cause.count.Packets)
		lines = append(lines, line)
	}
	return lines
}

// causes returns what has lost packets: stages, and reasons that are no policy. It returns
// none if that is nothing or one stage.
func causes(stats api.Stats) (list []row) {
	for _, stage := range ordered(modes, stats.Stages) {
		if count := stats.Stages[stage]; count.Packets > 0 {
			list = append(list, row{"by " + stage, count})
		}
	}
	stages := len(list)
	for _, reason := range reasons(stats) {
		if count := stats.Dropped[reason]; reason != api.DropPolicy && count.Packets > 0 {
			list = append(list, row{reason, count})
		}
	}
	if len(list) == 1 && stages == 1 {
		return nil
	}
	return list
}
