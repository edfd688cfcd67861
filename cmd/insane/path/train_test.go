package path

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
)

// trains sends packets of one flow, in which a super-frame that may go to the relay closely
// follows a train of small packets that the kernel carries.
type trains int

const (
	wagons      = testbed.Window + testbed.Window/2
	trainLength = wagons + testbed.PerSuper
)

func (n trains) size(i int) int {
	if i%trainLength < wagons {
		return 36
	}
	return testbed.Segment
}

func (n trains) send(t testing.TB, f *testbed.Flow, from int) {
	t.Helper()
	c := testbed.Cargo{Size: n.size}
	f.SendPlain(t, c, from, from+testbed.Window)
	f.SendPlain(t, c, from+testbed.Window, from+wagons)
	super := make([]byte, testbed.PerSuper*testbed.Segment)
	for i := range testbed.PerSuper {
		testbed.Fill(super[i*testbed.Segment:(i+1)*testbed.Segment], from+wagons+i)
	}
	if _, err := f.Out.Write(super); err != nil {
		t.Fatalf("send super-frame at packet %d: %v", from+wagons, err)
	}
}

// sendElsewhere keeps the calling goroutine off the first CPU, which receives for both
// hosts (keepOrder), so that sent packets wait there.
func sendElsewhere(t testing.TB) (stop func()) {
	t.Helper()
	runtime.LockOSThread()
	var before, others unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	others = before
	if others.Clear(0); others.Count() > 0 {
		if err := unix.SchedSetaffinity(0, &others); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			t.Fatal(err)
		}
		runtime.UnlockOSThread()
	}
}

// mixTrains: packets of the relay do not overtake packets of the same flow that the kernel
// carries, even if many of those still wait in the kernel.
func mixTrains(t *testing.T, b *testbed.Bed) {
	n := trains(testbed.EnvInt(t, "INSANE_PACKETS", mixedPackets) / trainLength * trainLength)
	f := b.NewFlow(t, 4)
	segmented(t, f)
	program, a := b.Begin(t, "percent 97", 103)
	r := newRecord(t, f, testbed.Cargo{Count: int(n), Size: n.size})
	slowDown(t, b)
	defer sendElsewhere(t)()
	for from := 0; from < int(n); from += trainLength {
		n.send(t, f, from)
		r.reach(t, from+trainLength)
	}
	a.Check(t, int(n), program)
	r.await(t, a.Stats(t).Relayed.Packets)
	r.checkOrder(t)
	r.checkSet(t, program)
}

// slowDown makes borea spend some 50 µs on each packet that comes in through the interface,
// with filters that never match.
func slowDown(t testing.TB, b *testbed.Bed) {
	t.Helper()
	const filters = 2000
	// Before Linux 6.6 the device itself has one there.
	_ = b.Borea.Command(t.Context(), "tc", "qdisc", "add", "dev", testbed.Device, "clsact").Run()
	var batch strings.Builder
	for i := range filters {
		fmt.Fprintf(&batch, "filter add dev %s ingress protocol all prio 1 u32 match u32 %d 0xffffffff at 12 classid 1:1\n", testbed.Device, i)
	}
	c := b.Borea.Command(t.Context(), "tc", "-batch", "-")
	c.Stdin = strings.NewReader(batch.String())
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
