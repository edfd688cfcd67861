package kern

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// fork has the fast path at near, which stands for the interface. Relayed frames leave
// through the slave; frames for the relay come out at far.
type fork struct {
	wire
	direction    *Direction
	next         *atomic.Uint64
	slave        netlink.Link
	relay, cable int // sockets that hear behind near and behind the slave
}

// newFork makes a fork with a slave of MTU 1500.
func newFork(t *testing.T, attach func(p *Objects, index int) (io.Closer, error)) *fork {
	t.Helper()
	w := &fork{wire: wire{t: t}}
	w.near, w.far = newNamespace(t)
	must(t, netlink.LinkSetMTU(w.near, biggest))
	must(t, netlink.LinkSetMTU(w.far, biggest))
	slave, slaveFar := newVeth(t, "slave", "slave-far")
	w.slave = slave
	w.r = openObjects(t, nil)
	w.direction = w.r.TX()
	w.next = w.direction.Numbers()
	w.direction.Kick(now() + forever)
	attached, err := attach(w.r, w.near.Attrs().Index)
	must(t, err)
	t.Cleanup(func() { attached.Close() })
	w.out = w.socket(w.near, 0, 0)
	must(t, unix.SetsockoptInt(w.out, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1))
	w.relay = w.socket(w.far, unix.ETH_P_ALL, 0)
	w.cable = w.socket(slaveFar, unix.ETH_P_ALL, 0)
	return w
}

// onEachFork runs a test for each way of attachment that this kernel has.
func onEachFork(t *testing.T, test func(t *testing.T, w *fork)) {
	t.Run("clsact", func(t *testing.T) {
		test(t, newFork(t, func(p *Objects, index int) (io.Closer, error) {
			addQdisc(t, index, "clsact")
			return addFilter(index, netlink.HANDLE_MIN_EGRESS, "fast path", p.bpf.TransmitClsact.FD())
		}))
	})
	if hasTCX(t) {
		t.Run("tcx", func(t *testing.T) {
			test(t, newFork(t, func(p *Objects, index int) (io.Closer, error) { return p.attachTransmit(InterfaceOptions{Link: index}) }))
		})
	}
}

// transmit sends a frame and returns its outcome, by the place where it comes out.
func (w *fork) transmit(f frame.Frame) outcome {
	w.t.Helper()
	before, spare := w.direction.Counts().DroppedPackets, w.direction.Counts().NeighbourPackets
	if n, err := unix.Write(w.out, f); err != nil || n != len(f) {
		w.t.Fatalf("%d of %d bytes sent: %v", n, len(f), err)
	}
	byRelay, byCable := make(map[int]int), make(map[int]int)
	hear := func() bool {
		w.hear(byRelay, w.relay)
		w.hear(byCable, w.cable)
		return byRelay[1]+byCable[1] > 0
	}
	// If a dropped frame comes out all the same, the next call notices it.
	if hear(); w.direction.Counts().DroppedPackets == before {
		await(w.t, "the frame", hear)
	}
	switch [2]int{byRelay[1], byCable[1]} {
	case [2]int{1, 0}:
		return undecided
	case [2]int{0, 1}:
		if w.direction.Counts().NeighbourPackets != spare {
			return spared
		}
		return relayed
	case [2]int{0, 0}:
		return dropped
	}
	w.t.Fatalf("%d copies for the relay, %d on the cable", byRelay[1], byCable[1])
	return 0
}

// wireSample is a frame as hosts send it, often a super-frame of TCP, of which some
// make packets that are too long for the slave. (Super-frames of UDP no packet socket
// sends before Linux 6.2.)
func wireSample(r *rand.Rand) sample {
	s := anyOrMessage(r, 1600)
	if s.size > 0 { // not of neighbours
		s.protocol = unix.IPPROTO_TCP
		s.size = 500 + r.IntN(1000)
		s.payload = s.size + 1 + r.IntN(60_000-s.size) // else the kernel takes it for a plain one
	}
	return s
}

// Frames go through the right link, with the verdicts of package policy and the counts of
// package frame. The relay gets the frames that the slave would refuse.
func TestTransmitOnTheWire(t *testing.T) {
	onEachFork(t, func(t *testing.T, w *fork) {
		r := rand.New(rand.NewPCG(5, 6))
		var seen [4]int
		for _, text := range []string{"pass", "percent 0", "percent 60", "percent 97", "percent 99.9"} {
			pol, err := policy.Parse(text)
			must(t, err)
			program := pol.Compile(0, 2000)
			must(t, w.direction.Open(program, w.slave.Attrs().Index, text))
			const frames, tagged = 300 / raceDivisor, 100 / raceDivisor
			untag := w.tag()
			for i := range frames {
				s := wireSample(r)
				f := s.build(1)
				wire := f
				if i < tagged {
					wire = frame.InsertTag(append(make([]byte, frame.TagLen), bytes.Clone(f)...), unix.ETH_P_8021Q, vlan)
				} else if i == tagged {
					must(t, untag())
				}
				seen[w.check(&program, s, f, wire)]++
			}
		}
		for is, n := range seen {
			if n < 100/raceDivisor {
				t.Errorf("%d frames %v: that is no test", n, outcome(is))
			}
		}
	})
}

// check sends a frame, which looks like wire on the wire, and compares its outcome and
// the counters with packages frame and policy.
func (w *fork) check(program *policy.Program, s sample, f, wire frame.Frame) outcome {
	w.t.Helper()
	before, next := w.direction.Counts(), w.next.Load()
	want, layout := outcomeOf(program, 0, next, wire)
	if layout.MTU() > 1500 {
		want = undecided
	}
	got, after := w.transmit(f), w.direction.Counts()
	if got != want {
		w.t.Fatalf("%+v: %v, want %v", s, got, want)
	}
	before.add(countsOf(want, program.Decide(0, next), layout))
	if after != before {
		w.t.Fatalf("%+v: %v: %+v in the counters, want %+v", s, got, after, before)
	}
	if taken := w.next.Load() - next; taken != want.numbers(layout) {
		w.t.Fatalf("%+v: %v, and %d numbers taken", s, got, taken)
	}
	if want == undecided {
		w.next.Add(uint64(layout.Packets())) // as the relay does
	}
	return got
}

// Frames for a slave that is gone are left to the relay, which counts them.
func TestTransmitToNoSlave(t *testing.T) {
	onEachFork(t, func(t *testing.T, w *fork) {
		must(t, w.direction.Open(policy.Program{}, w.slave.Attrs().Index, "pass"))
		if got := w.transmit(small.build(1)); got != relayed {
			t.Fatalf("%v, want relayed", got)
		}
		must(t, netlink.LinkDel(w.slave))
		w.cable = w.socket(w.far, unix.ETH_P_LOOPBACK, 0) // the other one says that its link is gone
		for _, s := range []sample{small, {family: 4, protocol: unix.IPPROTO_TCP, payload: 20_000, size: 1000}} {
			if got := w.transmit(s.build(1)); got != undecided {
				t.Errorf("%v, want undecided", got)
			}
		}
		if numbers, counts := w.next.Load(), w.direction.Counts(); numbers != 1 || counts.RelayedPackets != 1 {
			t.Errorf("%d numbers, %+v", numbers, counts)
		}
	})
}
