package kern

import (
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
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

// delivery is a wire whose fast path is open: all frames that come to near go to an interface.
type delivery struct {
	*wire
	direction *Direction
	to        netlink.Link // the interface, of which a veth is the stand-in
	stack     int          // hears what arrives there
	count     int
}

// newDelivery attaches the programs to a wire and to an interface.
func newDelivery(t *testing.T, w *wire) *delivery {
	t.Helper()
	w.exchange(w.r.All())
	d := &delivery{wire: w, direction: w.r.RX()}
	_, err := d.direction.Register(w.near.Attrs().Index)
	must(t, err)
	d.to, _ = newVeth(t, "insane", "insane-far")
	arrive, err := w.r.AttachArrive(InterfaceOptions{Link: d.to.Attrs().Index, Clsact: true})
	must(t, err)
	t.Cleanup(func() { arrive.Close() })
	d.stack = w.socket(d.to, unix.ETH_P_IP, 0)
	d.direction.Numbers()
	must(t, d.direction.Open(policy.Program{}, d.to.Attrs().Index, "pass"))
	return d
}

// hand sends frames that all become frames of the interface, or are refused there.
func (d *delivery) hand(frames int, etherType uint16, body []byte) {
	d.t.Helper()
	before, _ := d.direction.crossed()
	for range frames {
		d.send(d.count, toHost, nil, etherType, body)
		d.count++
	}
	await(d.t, "frames that are sent on", func() bool {
		sent, _ := d.direction.crossed()
		return sent.packets() == before.packets()+uint64(frames)
	})
}

// expect waits until no frame is inflight, and compares the counters.
func (d *delivery) expect(what string, want Counts) {
	d.t.Helper()
	d.direction.Drain()
	if got := d.direction.Counts(); got != want || d.direction.Waiting() {
		d.t.Errorf("%s: %+v, want %+v; waiting %v", what, got, want, d.direction.Waiting())
	}
}

// A frame that the program at ingress delivers counts as relayed when it arrives at the
// interface, and as refused when it is clear that it does not. Each reaches the stack behind
// the interface once.
func TestDeliver(t *testing.T) {
	onEach(t, func(t *testing.T, w *wire) {
		d := newDelivery(t, w)
		body := udp4(plain4, own4)
		length := uint64(14 + len(body))
		const frames = 10
		d.hand(frames, unix.ETH_P_IP, body)
		want := Counts{RelayedPackets: frames, RelayedBytes: frames * length}
		d.expect("interface up", want)
		heard := make(map[int]int)
		d.hear(heard, d.stack)
		for i := range frames {
			if heard[i] != 1 {
				t.Errorf("frame %d arrived %d times", i, heard[i])
			}
		}
		must(t, netlink.LinkSetDown(d.to))
		d.hand(3, unix.ETH_P_IP, body)
		if got := d.direction.Counts(); got != want || !d.direction.Waiting() {
			t.Errorf("%+v before it is clear what has become of the frames, waiting %v", got, d.direction.Waiting())
		}
		want.RefusedPackets, want.RefusedBytes = 3, 3*length
		d.expect("interface down", want)
		if got := d.direction.CountsOf("pass"); got.RelayedPackets != frames+3 {
			t.Errorf("%d packets have the verdict of the policy, want %d", got.RelayedPackets, frames+3)
		}
		must(t, netlink.LinkSetUp(d.to))
		d.hand(1, unix.ETH_P_IP, body)
		want.RelayedPackets++
		want.RelayedBytes += length
		d.expect("interface up again", want)
	})
}

// A received message of neighbours counts apart once it has arrived. One that the host
// refuses has no verdict either.
func TestDeliverNeighbours(t *testing.T) {
	onEach(t, func(t *testing.T, w *wire) {
		d := newDelivery(t, w)
		body := arp(2, plain4, own4)
		length := uint64(14 + len(body))
		d.hand(1, unix.ETH_P_ARP, body)
		want := Counts{NeighbourPackets: 1, NeighbourBytes: length}
		d.expect("interface up", want)
		must(t, netlink.LinkSetDown(d.to))
		d.hand(2, unix.ETH_P_ARP, body)
		d.hand(1, unix.ETH_P_IP, udp4(plain4, own4))
		want.RefusedPackets, want.RefusedBytes, want.UnjudgedPackets = 3, 2*length+uint64(14+len(udp4(plain4, own4))), 2
		d.expect("interface down", want)
		if got := d.direction.CountsOf("pass"); got.RelayedPackets != 1 {
			t.Errorf("%d packets have the verdict of the policy, want 1", got.RelayedPackets)
		}
	})
}

// A frame that comes to the interface in another way than from the slave counts for nothing.
func TestArriveLeavesOthers(t *testing.T) {
	onEach(t, func(t *testing.T, w *wire) {
		d := newDelivery(t, w)
		out := d.socket(linkOf(t, "insane-far"), 0, 0)
		f := append(append(append([]byte{}, toHost.destination(d.to.Attrs().HardwareAddr)...), number(1)...), 8, 0)
		_, err := unix.Write(out, append(f, udp4(plain4, own4)...))
		must(t, err)
		heard := make(map[int]int)
		await(t, "the frame of somebody else", func() bool {
			d.hear(heard, d.stack)
			return heard[1] == 1
		})
		d.expect("a frame of somebody else", Counts{})
	})
}
