package path

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestPathStopped: while the daemon is stopped, the kernel continues to drop packets by the
// policy until it treats the daemon as dead. Then all packets pass until the daemon
// continues. Each packet is in the counters.
func TestPathStopped(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", lab.Link, "--route", "10.9.0.2", "--policy", "percent 0", "--path", api.PathKernel)
	testbed.Silence(t, l)
	testbed.AwaitCarrier(t, l, true)
	labtest.Run(t, l.Borea, "ip", "neigh", "replace", "10.9.0.2", "lladdr", labtest.LinkOf(t, l.Morgana, lab.Link).Attrs().HardwareAddr.String(), "dev", testbed.Device)
	testbed.AwaitPaths(t, d, api.PathKernel)
	before := labtest.Info(t, d).TX
	p := testbed.Probe(t, l.Borea, l.Morgana, "10.9.0.1", "10.9.0.2")
	held := 0
	for range testbed.Soak(t, 3) {
		noneOf(t, p, 20)
		testbed.Pause(t, d, func() {
			stopped := p.Next()
			passes := p.Await(t, stopped, lab.Link)
			held += passes - stopped
			t.Logf("the kernel dropped %d packets more", passes-stopped)
			if missing := p.Missing(passes, p.Await(t, passes+20, lab.Link)); len(missing) != 0 {
				t.Errorf("packet %d passed, and these did not: %v", passes, missing)
			}
		})
		labtest.Await(t, "the device to drop again", func() bool {
			n := p.Next()
			return len(p.Missing(n-10, n)) == 10
		})
	}
	if held == 0 {
		t.Error("the kernel dropped nothing while the daemon stood still")
	}
	noneOf(t, p, 20)
	p.End()
	p.NoneTwice(t)
	checkCounters(t, p, d, before)
}

// noneOf fails if one of the next packets arrives.
func noneOf(t testing.TB, p *testbed.Prober, count int) {
	t.Helper()
	const late = 5 // packets that are still on their way
	from := p.Next()
	labtest.Await(t, "more packets to be sent", func() bool { return p.Next() >= from+count+late })
	if missing := p.Missing(from, from+count); len(missing) != count {
		t.Errorf("%d of %d packets passed", count-len(missing), count)
	}
}

// checkCounters fails unless exactly the relayed packets arrived, the policy dropped all the
// others, and it judged no further packets.
func checkCounters(t testing.TB, p *testbed.Prober, d *lab.Daemon, before api.Direction) {
	t.Helper()
	sent := uint64(len(p.Via))
	lost := uint64(len(p.Missing(0, len(p.Via))))
	after, dropped := testbed.SettledStats(t, d, before.Stats, sent)
	if diff := cmp.Diff(map[string]uint64{api.DropPolicy: lost}, dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	if n := after.Relayed.Packets - before.Stats.Relayed.Packets; n != sent-lost {
		t.Errorf("relayed %d packets, %d arrived", n, sent-lost)
	}
	if v := labtest.Info(t, d).TX.Verdicts; v.Relay != before.Verdicts.Relay || v.Drop-before.Verdicts.Drop != lost {
		t.Errorf("the policy said: relay %d, drop %d; before %+v; dropped were %d", v.Relay, v.Drop, before.Verdicts, lost)
	}
}
