package path

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// relayPart measures the share of the bytes since the start of a run that the relay has
// carried. Packets of the fast path do not pass the TAP.
type relayPart struct {
	bed      *testbed.Bed
	before   netlink.LinkStatistics
	counters api.Stats
}

func newRelayPart(t testing.TB, b *testbed.Bed) relayPart {
	t.Helper()
	return relayPart{bed: b, before: b.Counters(t, b.Borea, testbed.Device), counters: b.Stats(t)}
}

// share returns a value between 0 and 1. It is a little too small, because the TAP counts
// headers once for a super-frame, and the counters once for each packet.
func (r relayPart) share(t testing.TB) float64 {
	t.Helper()
	now, counters := r.bed.Counters(t, r.bed.Borea, testbed.Device), r.bed.Stats(t)
	if r.bed.Receiving() {
		return float64(now.RxBytes-r.before.RxBytes) / float64(counters.Relayed.Bytes-r.counters.Relayed.Bytes)
	}
	return float64(now.TxBytes-r.before.TxBytes) / float64(counters.Offered.Bytes-r.counters.Offered.Bytes)
}

// checkBoth fails unless each data plane has carried a good part.
func (r relayPart) checkBoth(t testing.TB) {
	t.Helper()
	const least = 0.1
	share := r.share(t)
	t.Logf("the relay carried %.0f %% of the bytes", 100*share)
	if share < least || share > 1-least {
		t.Errorf("the relay carried %.0f %% of the bytes: the paths did not mix", 100*share)
	}
}

// checkReports fails unless all reports include both paths: the counters, the verdicts of
// the policy, the metrics for Prometheus and the JSON.
func checkReports(t testing.TB, b *testbed.Bed, sent uint64) {
	t.Helper()
	b.AwaitQuiet(t)
	diff := testbed.MetricsDiff(t, b.Lab, b.Daemon)
	for attempt := 0; attempt < 3 && diff != ""; attempt++ { // the host may have sent something of its own
		diff = testbed.MetricsDiff(t, b.Lab, b.Daemon)
	}
	if diff != "" {
		t.Errorf("metrics (-stats +metrics):\n%s", diff)
	}
	var said api.Info
	text := labtest.Run(t, b.Borea, "insanely", "--socket", b.Daemon.Socket, "--json")
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	d, now := b.Direction(said), b.Direction(labtest.Info(t, b.Daemon))
	d.Did.Rate, now.Did.Rate = 0, 0 // of the last second, which passes meanwhile
	if diff := cmp.Diff(now, d); diff != "" {
		t.Errorf("insanely --json (-info +JSON):\n%s", diff)
	}
	if d.Verdicts.Relay+d.Verdicts.Drop != sent {
		t.Errorf("%d packets were sent, the policy said: relay %d, drop %d", sent, d.Verdicts.Relay, d.Verdicts.Drop)
	}
}
