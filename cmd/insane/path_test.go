package main

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// eachPath runs a test on either data plane: what is promised of one is promised of
// the other.
func eachPath(t *testing.T, test func(t *testing.T, path string)) {
	for _, path := range []string{api.PathRelay, api.PathKernel} {
		t.Run(path, func(t *testing.T) { test(t, path) })
	}
}

// relayPart is the share of the bytes since a run began that the relay has carried.
// What the fast path carries never crosses the TAP.
type relayPart struct {
	bed      *testbed
	before   netlink.LinkStatistics
	counters api.Stats
}

func (b *testbed) relayPart(t testing.TB) relayPart {
	t.Helper()
	return relayPart{bed: b, before: b.counters(t, b.Borea, device), counters: b.stats(t)}
}

// share is between 0 and 1. Headers, which the TAP sees once for a super-frame and
// the counters once for each packet, make it seem a little smaller.
func (r relayPart) share(t testing.TB) float64 {
	t.Helper()
	now, counters := r.bed.counters(t, r.bed.Borea, device), r.bed.stats(t)
	if r.bed.receiving() {
		return float64(now.RxBytes-r.before.RxBytes) / float64(counters.Relayed.Bytes-r.counters.Relayed.Bytes)
	}
	return float64(now.TxBytes-r.before.TxBytes) / float64(counters.Offered.Bytes-r.counters.Offered.Bytes)
}

// checkBoth fails unless either data plane has carried a good part.
func (r relayPart) checkBoth(t testing.TB) {
	t.Helper()
	const least = 0.1
	share := r.share(t)
	t.Logf("the relay carried %.0f %% of the bytes", 100*share)
	if share < least || share > 1-least {
		t.Errorf("the relay carried %.0f %% of the bytes: the paths did not mix", 100*share)
	}
}

// checkReports fails unless everybody who asks hears of both paths together: in the
// counters, in what the policy said, for Prometheus and as JSON.
func (b *testbed) checkReports(t testing.TB, sent uint64) {
	t.Helper()
	b.awaitQuiet(t)
	diff := metricsDiff(t, b.Lab, b.daemon)
	for attempt := 0; attempt < 3 && diff != ""; attempt++ { // the host may have sent something of its own
		diff = metricsDiff(t, b.Lab, b.daemon)
	}
	if diff != "" {
		t.Errorf("metrics (-stats +metrics):\n%s", diff)
	}
	var said api.Info
	text := run(t, b.Borea, "insanely", "--socket", b.daemon.Socket, "--json")
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	d := b.direction(said)
	if diff := cmp.Diff(b.direction(info(t, b.daemon)), d); diff != "" {
		t.Errorf("insanely --json (-info +JSON):\n%s", diff)
	}
	if d.Verdicts.Relay+d.Verdicts.Drop != sent {
		t.Errorf("%d packets were sent, the policy said: relay %d, drop %d", sent, d.Verdicts.Relay, d.Verdicts.Drop)
	}
}
