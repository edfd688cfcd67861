package control

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// metricsOf returns the metrics of a device.
func metricsOf(d Device) string {
	return ask(newServer(d, Options{}), nobody, http.MethodGet, api.PathMetrics, "").Body.String()
}

// Each rule has its packets, in the directions that it looks at. The default has none, because
// those of the whole direction are there.
func TestRuleMetrics(t *testing.T) {
	d := newFake()
	d.rules[1].RX = d.rules[0].TX
	d.rules[1].Name = "a\xff\"b" // no name that a rule can have
	body := metricsOf(d)
	for _, want := range []string{
		`insane_rules{device="insane"} 2`,
		`insane_rules_left_out{device="insane"} 0`,
		`insane_rule_packets_total{device="insane",direction="tx",rule="dns",what="offered"} 308`,
		`insane_rule_packets_total{device="insane",direction="tx",rule="dns",what="relayed"} 306`,
		`insane_rule_packets_total{device="insane",direction="tx",rule="dns",what="dropped"} 301`,
		`insane_rule_packets_total{device="insane",direction="rx",rule="a\\xff\"b",what="offered"} 308`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no line %q in\n%s", want, body)
		}
	}
	for _, not := range []string{`direction="rx",rule="dns"`, `rule="default"`} {
		if strings.Contains(body, not) {
			t.Errorf("%s in\n%s", not, body)
		}
	}
}

// However many rules there are, the number of metrics is bounded, and those that are left out
// are counted.
func TestRuleMetricsAreBounded(t *testing.T) {
	for _, rules := range []int{0, mostRules, mostRules + 1, 1000} {
		d := newFake()
		last := d.rules[2]
		d.rules = nil
		for n := range rules {
			rule := last
			rule.Name = fmt.Sprint("rule", n)
			d.rules = append(d.rules, rule)
		}
		d.rules = append(d.rules, last)
		body := metricsOf(d)
		const each = 3 // offered, relayed, dropped
		if n, want := strings.Count(body, "insane_rule_packets_total{"), each*min(rules, mostRules); n != want {
			t.Errorf("%d rules: %d series, want %d", rules, n, want)
		}
		for _, want := range []string{
			fmt.Sprintf(`insane_rules{device="insane"} %d`, rules),
			fmt.Sprintf(`insane_rules_left_out{device="insane"} %d`, max(rules-mostRules, 0)),
		} {
			if !strings.Contains(body, want+"\n") {
				t.Errorf("%d rules: no line %q", rules, want)
			}
		}
	}
}
