package rules

import (
	"context"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

func TestMain(m *testing.M) { testbed.Main(m, nil) }

// load replaces all rules.
func load(t testing.TB, b *testbed.Bed, text string) {
	t.Helper()
	_, err := b.Daemon.Client.ChangeRules(context.Background(), api.RulesChange{Load: &text})
	labtest.Must(t, err)
}

// rulesOf returns the rules in force, by name.
func rulesOf(t testing.TB, b *testbed.Bed) map[string]api.Rule {
	t.Helper()
	list, err := b.Daemon.Client.Rules(context.Background())
	labtest.Must(t, err)
	rules := make(map[string]api.Rule)
	for _, r := range list {
		rules[r.Name] = r
		for _, d := range []*api.RuleDirection{r.TX, r.RX} {
			if d != nil {
				labtest.CheckCounters(t, d.Stats)
			}
		}
	}
	return rules
}
