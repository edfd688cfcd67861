package main

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// trains are so many packets of one flow in which a train of small ones, that the
// kernel carries, is followed closely by a super-frame, that may be for the relay.
type trains int

const (
	wagons      = window + window/2
	trainLength = wagons + perSuper
)

func (n trains) size(i int) int {
	if i%trainLength < wagons {
		return 36
	}
	return segment
}

func (n trains) send(t testing.TB, f *flow, from int) {
	t.Helper()
	c := cargo{size: n.size}
	f.sendPlain(t, c, from, from+window)
	f.sendPlain(t, c, from+window, from+wagons)
	super := make([]byte, perSuper*segment)
	for i := range perSuper {
		fill(super[i*segment:(i+1)*segment], from+wagons+i)
	}
	if _, err := f.out.Write(super); err != nil {
		t.Fatalf("send super-frame at packet %d: %v", from+wagons, err)
	}
}

// sendElsewhere keeps the calling goroutine off the first processor, which receives
// for both hosts (keepOrder): so that what is sent has to wait there.
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

// mixTrains: what the relay is given does not overtake what the kernel carries of
// the same flow, however much of that still waits in the kernel.
func (b *testbed) mixTrains(t *testing.T) {
	n := trains(envInt(t, "INSANE_PACKETS", mixedPackets) / trainLength * trainLength)
	f := b.newFlow(t, 4)
	f.segmented(t)
	program, a := b.begin(t, "percent 97", 103)
	r := f.record(t, cargo{count: int(n), size: n.size})
	b.slowDown(t)
	defer sendElsewhere(t)()
	for from := 0; from < int(n); from += trainLength {
		n.send(t, f, from)
		r.reach(t, from+trainLength)
	}
	a.check(t, int(n), program)
	r.await(t, a.stats(t).Relayed.Packets)
	r.checkOrder(t)
	r.checkSet(t, program)
}

// slowDown makes borea take some 50 µs over each packet that comes in through the
// interface: with filters of which none fits.
func (b *testbed) slowDown(t testing.TB) {
	t.Helper()
	const filters = 2000
	// Before Linux 6.6 the device has one there itself.
	_ = b.Borea.Command(t.Context(), "tc", "qdisc", "add", "dev", device, "clsact").Run()
	var batch strings.Builder
	for i := range filters {
		fmt.Fprintf(&batch, "filter add dev %s ingress protocol all prio 1 u32 match u32 %d 0xffffffff at 12 classid 1:1\n", device, i)
	}
	c := b.Borea.Command(t.Context(), "tc", "-batch", "-")
	c.Stdin = strings.NewReader(batch.String())
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
