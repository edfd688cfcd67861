package control

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// mostRules is how many rules have metrics of their own: the first ones. A device may have
// ten thousands of rules, and each new series stays in the database of who collects them.
const mostRules = 64

// collectRules shows the first rules.
func (c *collector) collectRules(ch chan<- prometheus.Metric, device string) {
	page := c.device.Rules(0)
	shown := 0
	for _, rule := range page.Rules {
		if rule.Name == api.DefaultRule || shown == mostRules {
			break
		}
		shown++
		c.collectRule(ch, device, "tx", rule.Name, rule.TX)
		c.collectRule(ch, device, "rx", rule.Name, rule.RX)
	}
	gauge := func(d *prometheus.Desc, n int) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), device)
	}
	total := max(page.Total-1, 0) // without the default
	gauge(c.rules, total)
	gauge(c.rulesLeft, total-shown)
}

// collectRule shows one direction of a rule.
func (c *collector) collectRule(ch chan<- prometheus.Metric, device, direction, rule string, d *api.RuleDirection) {
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
		ch <- prometheus.MustNewConstMetric(c.rulePackets, prometheus.CounterValue, float64(n),
			device, direction, api.ShowName(rule), what)
	}
}
