package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestPathStopped: while the daemon stands still the kernel goes on dropping what it
// was told to drop, until it takes the daemon for dead: from then on everything
// passes, until the daemon goes on. Each packet is in the counters.
func TestPathStopped(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := newDaemon(t, l, "--slave", lab.Link, "--route", "10.9.0.2", "--policy", "percent 0", "--path", api.PathKernel)
	silence(t, l)
	awaitCarrier(t, l, true)
	run(t, l.Borea, "ip", "neigh", "replace", "10.9.0.2", "lladdr", linkOf(t, l.Morgana, lab.Link).Attrs().HardwareAddr.String(), "dev", device)
	awaitPaths(t, d, api.PathKernel)
	before := info(t, d).TX
	p := probe(t, l.Borea, l.Morgana, "10.9.0.1", "10.9.0.2")
	held := 0
	for range soak(t, 3) {
		p.noneOf(t, 20)
		pause(t, d, func() {
			stopped := p.next()
			passes := p.await(t, stopped, lab.Link)
			held += passes - stopped
			t.Logf("the kernel dropped %d packets more", passes-stopped)
			if missing := p.missing(passes, p.await(t, passes+20, lab.Link)); len(missing) != 0 {
				t.Errorf("packet %d passed, and these did not: %v", passes, missing)
			}
		})
		eventually(t, "the device to drop again", func() bool {
			n := p.next()
			return len(p.missing(n-10, n)) == 10
		})
	}
	if held == 0 {
		t.Error("the kernel dropped nothing while the daemon stood still")
	}
	p.noneOf(t, 20)
	p.end()
	p.noneTwice(t)
	p.checkCounters(t, d, before)
}

// noneOf fails if one of the next packets arrives.
func (p *prober) noneOf(t testing.TB, count int) {
	t.Helper()
	const late = 5 // are on their way still
	from := p.next()
	eventually(t, "more packets to be sent", func() bool { return p.next() >= from+count+late })
	if missing := p.missing(from, from+count); len(missing) != count {
		t.Errorf("%d of %d packets passed", count-len(missing), count)
	}
}

// checkCounters fails unless the packets that arrived are those that were relayed, the
// others were dropped by the policy, and it judged no others.
func (p *prober) checkCounters(t testing.TB, d *lab.Daemon, before api.Direction) {
	t.Helper()
	sent := uint64(len(p.via))
	lost := uint64(len(p.missing(0, len(p.via))))
	after, dropped := settledStats(t, d, before.Stats, sent)
	if diff := cmp.Diff(map[string]uint64{api.DropPolicy: lost}, dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	if n := after.Relayed.Packets - before.Stats.Relayed.Packets; n != sent-lost {
		t.Errorf("relayed %d packets, %d arrived", n, sent-lost)
	}
	if v := info(t, d).TX.Verdicts; v.Relay != before.Verdicts.Relay || v.Drop-before.Verdicts.Drop != lost {
		t.Errorf("the policy said: relay %d, drop %d; before %+v; dropped were %d", v.Relay, v.Drop, before.Verdicts, lost)
	}
}
