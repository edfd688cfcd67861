package kern

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

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

// A frame that the program at ingress delivers counts as relayed once the host accepts it.
func TestDeliver(t *testing.T) {
	r := newReceiver(t)
	r.open("pass", 0)
	link := linkOf(t, "slave") // stands for the interface here
	arrive, err := r.attachArrive(InterfaceOptions{Link: r.to, Clsact: true})
	must(t, err)
	defer arrive.Close()
	hand := func() {
		t.Helper()
		kept, handoff := r.receive(r.bpf.ReceiveAll, toDevice, r.forDevice(toDevice))
		if kept != 0 || handoff.To != uint64(r.to) {
			t.Fatalf("%d bytes for the socket, %d left at ingress", int32(kept), handoff.To)
		}
		act, err := r.bpf.ReceiveSteal.Run(&ebpf.RunOptions{Data: r.forDevice(toDevice)[frame.HeaderLen:]})
		must(t, err)
		if act != actShot {
			t.Errorf("%d at ingress: the slave's stack has the frame as well", int32(act))
		}
	}
	length := uint64(len(r.forDevice(toDevice)) - frame.HeaderLen)
	const frames = 10
	for range frames {
		hand()
	}
	r.direction.Drain()
	want := Counts{RelayedPackets: frames, RelayedBytes: frames * length}
	if got := r.direction.Counts(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if started, arrived := r.memory.inflight(); started != frames || arrived != frames || r.direction.Lost() != 0 {
		t.Errorf("%d on their way, %d there, %d lost", started, arrived, r.direction.Lost())
	}
	must(t, netlink.LinkSetDown(link))
	hand()
	want.RefusedPackets, want.RefusedBytes = 1, length
	if got := r.direction.Counts(); got != want {
		t.Errorf("interface down: %+v, want %+v", got, want)
	}
	if started, _ := r.memory.inflight(); started != frames {
		t.Errorf("%d on their way, of which the host took %d", started, frames)
	}
}
