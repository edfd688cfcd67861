package verify

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// lies tells verify of another policy for each rule of stories. Each must be found out, in both
// directions.
func lies(t *testing.T, b *testbed.Bed) {
	t.Helper()
	told := map[string]string{}
	for _, s := range stories {
		told[s.name+"-tx"], told[s.name+"-rx"] = s.told, s.told
	}
	socket := proxy(t, b, func(_ *api.Info, rules []api.Rule) {
		for i := range rules {
			for _, d := range []*api.RuleDirection{rules[i].TX, rules[i].RX} {
				if other := told[rules[i].Name]; d != nil && other != "" {
					d.Policy = other
				}
			}
		}
	})
	r, code, said := watch(t, b, "--socket", socket, "--for", length(t, 1200*time.Millisecond))
	t.Logf("%s%s", r, said)
	found := map[string]bool{}
	for _, l := range r.Lines {
		if l.Verdict == "differs" {
			found[l.Rule] = true
		}
	}
	for name := range told {
		if !found[name] {
			t.Errorf("rule %s does not do as verify was told, and nothing differs", name)
		}
	}
	if code != 1 || !strings.Contains(said, "differ from what was asked") {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// A device that loses 2 % more than verify is told, on the path of the kernel.
func TestLie(t *testing.T) {
	t.Parallel()
	b := testbed.New(t, api.PathKernel)
	policy, told := "percent 93.1", "percent 95"
	labtest.Set(t, b.Daemon, api.Change{TX: &policy})
	socket := proxy(t, b, func(i *api.Info, rules []api.Rule) {
		i.TX.Policy = told
		for k := range rules {
			rules[k].TX.Policy = told
		}
	})
	stop := run(t, 16, newFlow(t, b, 4, 100))
	r, code, _ := watch(t, b, "--socket", socket, "--for", length(t, 2*time.Second))
	stop()
	if l := line(t, r, "tx", api.DefaultRule, told); l.Verdict != "differs" || code != 1 {
		t.Errorf("exit code %d\n%s", code, r)
	}
}
