package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// A change of a policy, the rules, the seed or what is judged of neighbours ends a replay in both
// directions; then the kernel carries again what it can, by the policies as they are. A change of
// something else does not end it.
func TestChangesEnd(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	at := serveTCP(t, b)
	b.AwaitQuiet(t)
	ask(t, b, "every 9", "percent 99", 7)
	insanely := func(words string) string {
		return labtest.Run(t, b.Borea, "insanely", append([]string{"--socket", b.Daemon.Socket}, strings.Fields(words)...)...)
	}
	insanely("rule add other host 10.8.0.1 both delay 20ms")
	path := record(t, b, func() { labtest.Must(t, transferTCP(b, at, 6000, testbed.Longest)) })
	insanely("rule del other")
	for _, words := range []string{"eth0 rx pass", "--seed 7 eth0 pass", "rule set other tx pass", "rule del other", "--judge-neighbours"} {
		out := replay(t, b, path)
		for _, want := range []string{"mode: every\narguments: 9\n", "  seed 7\n", "rules  "} {
			if !strings.Contains(strings.ReplaceAll(out, "rules   ", "rules  "), want) {
				t.Errorf("%s: no %q in\n%s", words, want, out)
			}
		}
		labtest.Must(t, transferTCP(b, at, 6000, testbed.Longest))
		insanely(lab.Link) // attaches it again
		if i := labtest.Info(t, b.Daemon); i.Replay == nil || i.Replay.Met == 0 {
			t.Errorf("the replay is over: %+v", i.Replay)
		}
		insanely(strings.Replace(words, "eth0", lab.Link, 1))
		i := labtest.Info(t, b.Daemon)
		balances(t, i)
		if i.Replay != nil || strings.Contains(i.TX.PathReason+i.RX.PathReason, "replay") {
			t.Errorf("%s: the replay goes on: %+v, %s, %s", words, i.Replay, i.TX.PathReason, i.RX.PathReason)
		}
		if words == "eth0 rx pass" && i.TX.Policy != "every 9" {
			t.Errorf("%s: tx is %s", words, i.TX.Policy)
		}
	}
	labtest.Must(t, transferTCP(b, at, 600, 10*time.Second))
}
