package control

import "github.com/seed-39a139a1/insane/insanely/api"

// mostRules is how many rules have metrics of their own: the first ones. A device may have
// ten thousands of rules, and each new series stays in the database of who collects them.
const mostRules = 64

// rules adds the first rules.
func (e *exposition) rules(page api.RulesPage) {
	shown := 0
	for _, rule := range page.Rules {
		if rule.Name == api.DefaultRule || shown == mostRules {
			break
		}
		shown++
		e.rule("tx", rule.Name, rule.TX)
		e.rule("rx", rule.Name, rule.RX)
	}
	total := max(page.Total-1, 0) // without the default
	e.add("rules", float64(total))
	e.add("rules_left_out", float64(total-shown))
}

// rule adds one direction of a rule.
func (e *exposition) rule(direction, rule string, d *api.RuleDirection) {
	if d == nil {
		return
	}
	var dropped uint64
	for _, n := range d.Stats.Dropped {
		dropped += n.Packets
	}
	for what, n := range map[string]uint64{
		"offered": d.Stats.Offered.Packets, "relayed": d.Stats.Relayed.Packets, "dropped": dropped,
	} {
		e.add("rule_packets_total", float64(n), direction, api.ShowName(rule), what)
	}
}
