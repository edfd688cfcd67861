package probe

import (
	"testing"
	"time"
)

func TestResultCountsArrivals(t *testing.T) {
	r := newResult(6)
	for i, index := range []uint64{0, 2, 1, 2, 4, 6, 1 << 63, 3} {
		r.addArrival(index, time.Duration(i), time.Duration(i))
	}
	r.addSent(sentPackets{at: []time.Duration{0, 1, 2, 3, 4, never}, refused: 1})
	if r.Received != 5 || r.Reordered != 2 || r.Duplicates != 1 || r.Strays != 2 || r.Sent != 5 || r.Lost() != 0 {
		t.Errorf("%+v", r)
	}
	if r.Arrived(5) || r.ReceivedAt[2] != 1 {
		t.Errorf("packet 5 arrived %v, packet 2 at %v", r.Arrived(5), r.ReceivedAt[2])
	}
}
