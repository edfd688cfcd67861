package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// Below a rule that has lost packets in more than one way are the ways, also those that are no
// policy. Columns are aligned, whatever the numbers are.
func TestRulesText(t *testing.T) {
	count := func(n uint64) api.Count { return api.Count{Packets: n, Bytes: 1000 * n} }
	rules := []api.Rule{
		{Name: "both", Match: "udp greater 1400", TX: &api.RuleDirection{Policy: "percent 60 every 10", Stats: api.Stats{
			Offered: count(206), Held: count(12345),
			Dropped: map[string]api.Count{api.DropPolicy: count(95), api.DropNoSlave: {}},
			Stages:  map[string]api.Count{"every": count(12), "percent": count(83), "time": {}},
		}}},
		{Name: "one", Match: "ether proto 0x88cc", RX: &api.RuleDirection{Policy: "percent 60", Stats: api.Stats{
			Offered: count(1<<64 - 1), Dropped: map[string]api.Count{api.DropPolicy: count(7)}, Stages: map[string]api.Count{"percent": count(7)},
		}}},
		{Name: "none", Match: "tcp", TX: &api.RuleDirection{Policy: "pass", Stats: api.Stats{
			Dropped: map[string]api.Count{api.DropSlaveBusy: count(2)},
		}}},
		{Name: "newer", Match: "warp 9", TX: &api.RuleDirection{Policy: "percent 1 aslant 2", Stats: api.Stats{
			Dropped: map[string]api.Count{api.DropPolicy: count(3), "too-late": count(1)}, Stages: map[string]api.Count{"aslant": count(1), "percent": count(2)},
		}}},
	}
	const want = `
RULE   MATCH               DIR  POLICY                            OFFERED  LOST   HELD
both   udp greater 1400    tx   percent 60 every 10                   206    95  12345
                                  by percent                                 83
                                  by every                                   12
one    ether proto 0x88cc  rx   percent 60           18446744073709551615     7      0
none   tcp                 tx   pass                                    0     2      0
                                  slave-busy                                  2
newer  warp 9              tx   percent 1 aslant 2                      0     4      0
                                  by percent                                  2
                                  by aslant                                   1
                                  too-late                                    1
`
	if diff := cmp.Diff(want, "\n"+rulesText(rules)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

// More rules than a page has are shown all, in their order.
func TestManyRules(t *testing.T) {
	socket, d := daemonFor(t, idleInfo())
	var text strings.Builder
	const n = 3*api.MaxRulesPage + 1
	for i := range n {
		fmt.Fprintf(&text, "r%d: tcp both pass\n", i)
	}
	load := text.String()
	rules, err := changedRules(nil, api.RulesChange{Load: &load})
	if err != nil {
		t.Fatal(err)
	}
	d.rules = rules
	code, stdout, stderr := runAt(socket, "rule")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != 0 || len(lines) != 1+2*(n+1) {
		t.Fatalf("exit code %d, %d lines, %s", code, len(lines), stderr)
	}
	for i, rule := range rules {
		if line := lines[1+2*i]; !strings.HasPrefix(line, rule.Name+" ") || !strings.Contains(line, "  tx  ") {
			t.Errorf("rule %d is %s: %q", i, rule.Name, line)
		}
	}
}
