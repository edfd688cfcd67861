package kern

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// The frames of each slave count in the backlog of that slave. Frames of a slave without
// a backlog go to the relay and hold up no other frame.
func TestBacklogOfTheSlave(t *testing.T) {
	r := newReceiver(t)
	other := linkOf(t, "slave-far").Attrs().Index
	second, err := r.direction.Register(other)
	must(t, err)
	if _, err := r.direction.Register(other); err == nil {
		t.Error("a third backlog")
	}
	from := func(index int) uint32 {
		near := r.index
		defer func() { r.index = near }()
		r.index = index
		kept, _ := r.receive(r.bpf.ReceiveAll, toDevice, r.forDevice(toDevice))
		return kept
	}
	const none, all = 0, 0xffffffff
	expect := func(what string, kept, want uint32, one, two bool) {
		t.Helper()
		if kept != want || r.backlog.shared.waiting() != one || second.shared.waiting() != two {
			t.Errorf("%s: %d bytes for the socket, waiting %v, %v; want %d, %v, %v", what,
				int32(kept), r.backlog.shared.waiting(), second.shared.waiting(), int32(want), one, two)
		}
	}
	expect("direction closed", from(r.index), all, true, false)
	r.open("pass", 0)
	expect("one before on its way", from(r.index), all, true, false)
	expect("the other slave", from(other), none, true, false)
	r.backlog.Done(2)
	expect("the relay has got on", from(r.index), none, false, false)
	r.direction.Close()
	expect("the other slave, direction closed", from(other), all, false, true)
	r.open("pass", 0)
	expect("nobody's slave", from(r.to), all, false, true)
	second.Release()
	expect("a slave that has left", from(other), all, false, true)
}

// Without a running watchdog the kernel takes no number and no frame.
func TestReceiveWithoutWatchdog(t *testing.T) {
	r := newReceiver(t)
	r.open("percent 0", 0)
	r.direction.Kick(now() - 1)
	kept, handoff := r.receive(r.bpf.ReceiveAll, toDevice, r.forDevice(toDevice))
	if kept != 0 || handoff.To != leave || r.next.Load() != 0 || r.backlog.shared.waiting() || r.direction.Counts() != (Counts{}) {
		t.Errorf("%d bytes for the socket, %d left at ingress, %d numbers, %+v", int32(kept), handoff.To, r.next.Load(), r.direction.Counts())
	}
}

// deliverer is a receiver on a wire: what the program at ingress delivers arrives at the link to,
// which stands for the interface.
type deliverer struct {
	*receiver
	*wire
	link netlink.Link
}

func newDeliverer(t *testing.T, a attachment) *deliverer {
	t.Helper()
	r := newReceiver(t)
	d := &deliverer{r, &wire{t: t, r: r.Objects, near: linkOf(t, "near"), far: linkOf(t, "far")}, linkOf(t, "slave")}
	for _, attach := range []func() (io.Closer, error){
		func() (io.Closer, error) { return a.attach(r.Objects, d.near.Attrs().Index) },
		func() (io.Closer, error) { return r.AttachArrive(InterfaceOptions{Link: r.to, Clsact: true}) },
	} {
		closer, err := attach()
		must(t, err)
		t.Cleanup(func() { closer.Close() })
	}
	d.out, d.device = d.socket(d.far, 0, 0), d.socket(d.near, unix.ETH_P_ALL, r.All())
	return d
}

// deliver lets a frame arrive at the slave. The thread stays on one CPU, where the kernel handles
// the frame before the call returns, or soon.
func (d *deliverer) deliver(s sample) (length uint64) {
	f := d.forDevice(s)[frame.HeaderLen:]
	d.send(1, toHost, nil, binary.BigEndian.Uint16(f[12:]), f[14:])
	return uint64(len(f))
}

// expect waits for the counters of a number of frames, of which one may be lost.
func (d *deliverer) expect(what string, want Counts, frames, lost uint64) {
	t := d.receiver.t
	t.Helper()
	await(t, what, func() bool { return d.direction.Counts() == want })
	await(t, what+": arrivals", func() bool {
		d.direction.Settle()
		started, arrived := d.memory.inflight()
		return started == frames && arrived == frames-lost && d.direction.Lost() == lost
	})
}

// A frame that the program at ingress delivers counts as relayed, and arrives. One that the host
// refuses is found to be lost.
func TestDeliver(t *testing.T) {
	for _, a := range attachments(t) {
		t.Run(a.name, func(t *testing.T) {
			d := newDeliverer(t, a)
			d.open("pass", 0)
			const frames = 10
			var length uint64
			for range frames {
				length = d.deliver(toDevice)
			}
			d.expect("frames", Counts{RelayedPackets: frames, RelayedBytes: frames * length}, frames, 0)
			must(t, netlink.LinkSetDown(d.link))
			d.deliver(toDevice)
			d.expect("one that is refused", Counts{RelayedPackets: frames + 1, RelayedBytes: (frames + 1) * length}, frames+1, 1)
			if d.direction.Waiting() {
				t.Error("the lost frame is waited for")
			}
			must(t, netlink.LinkSetUp(d.link))
			d.deliver(toDevice)
			d.expect("one after it", Counts{RelayedPackets: frames + 2, RelayedBytes: (frames + 2) * length}, frames+2, 1)
			heard := make(map[int]int)
			if d.hear(heard, d.device); len(heard) > 0 {
				t.Errorf("the relay has got frames as well: %v", heard)
			}
		})
	}
}
