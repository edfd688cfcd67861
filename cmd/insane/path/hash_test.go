package path

import (
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
)

// TestPathKeepsFlowsTogether: the packets of a flow have one hash at the slave, whichever path
// they took. Otherwise a queueing discipline that sorts flows, as most network cards have it,
// would take them for two flows, and let one overtake the other.
func TestPathKeepsFlowsTogether(t *testing.T) {
	if !testbed.HasTCX(t) {
		t.Log("no tcx: nothing can look at the hashes at the slave")
		return
	}
	b := testbed.New(t)
	others := testbed.HashCheck(t, b.Borea, slave)
	list := testbed.Supers(20_000)
	f := b.NewFlow(t, 4)
	segmented(t, f)
	before := b.Counters(t, b.Borea, testbed.Device).TxPackets
	program, a := b.Begin(t, "percent 99", 7)
	frames := 0
	f.Carry(t, a, program, testbed.Cargo{
		Count: int(list), Size: list.Size,
		Send: func(from, to int) { frames += list.Send(t, f, from, to) },
	})
	relayed := int(b.Counters(t, b.Borea, testbed.Device).TxPackets - before)
	if relayed == 0 || relayed >= frames {
		t.Errorf("the relay had %d of %d frames: no test of both paths", relayed, frames)
	}
	if n := others(); n != 0 {
		t.Errorf("%d frames of one flow had another hash than the first", n)
	}
}
