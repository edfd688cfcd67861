package kern

import (
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// actRedirect is the code that the fast path returns for relayed and dropped frames. A
// dropped frame is redirected to no link.
const actRedirect = 7

// actOfOutcome returns the code that transmit_tcx returns for an outcome.
func actOfOutcome(f outcome) uint32 {
	if f == undecided {
		return actUnspec
	}
	return actRedirect
}

// carrier runs the programs of the fast path on frames, without a wire.
type carrier struct {
	*bench
	direction *Direction
	next      *atomic.Uint64
	to        int // a link that takes frames of any length
}

// biggest is the largest MTU of a link.
const biggest = 65535

func newCarrier(t testing.TB, direction func(p *Objects) *Direction) *carrier {
	t.Helper()
	b := newBench(t, hostClaims)
	slave, _ := newVeth(t, "slave", "slave-far")
	must(t, netlink.LinkSetMTU(slave, biggest))
	c := &carrier{bench: b, direction: direction(b.Objects), to: slave.Attrs().Index}
	c.next = c.direction.Numbers()
	c.direction.Kick(now() + forever)
	return c
}

// open opens the direction for a policy. Its phase began at epoch.
func (c *carrier) open(text string, epoch policy.Time) policy.Program {
	c.t.Helper()
	pol, err := policy.Parse(text)
	must(c.t, err)
	program := pol.Compile(epoch, 2000)
	must(c.t, c.direction.Open(program, c.to, text))
	return program
}

// options returns the options to run a program on a frame.
func (c *carrier) options(s sample, f frame.Frame) *ebpf.RunOptions {
	context := make([]uint32, 45) // up to gso_size
	context[10], context[41], context[44] = uint32(c.index), s.segments(), uint32(s.size)
	return &ebpf.RunOptions{Data: f[frame.HeaderLen:], Context: context}
}

// transmit runs transmit_tcx on a frame. It returns the outcome, and by how much the
// counters have grown.
func (c *carrier) transmit(s sample, f frame.Frame) (outcome, Counts) {
	c.t.Helper()
	before := c.direction.Counts()
	act, err := c.bpf.TransmitTcx.Run(c.options(s, f))
	must(c.t, err)
	counts := minus(c.direction.Counts(), before)
	is := undecided
	switch {
	case counts.RelayedPackets > 0:
		is = relayed
	case counts.DroppedPackets > 0:
		is = dropped
	case counts.NeighbourPackets > 0:
		is = spared
	}
	if act != actOfOutcome(is) {
		c.t.Errorf("%s: %v by the counters, and the program returns %d", s.what, is, int32(act))
	}
	return is, counts
}

// minus returns the counts between two readings.
func minus(after, before Counts) Counts {
	c := Counts{
		RelayedPackets: after.RelayedPackets - before.RelayedPackets, RelayedBytes: after.RelayedBytes - before.RelayedBytes,
		UnjudgedPackets: after.UnjudgedPackets - before.UnjudgedPackets,
		RefusedPackets:  after.RefusedPackets - before.RefusedPackets, RefusedBytes: after.RefusedBytes - before.RefusedBytes,
		NeighbourPackets: after.NeighbourPackets - before.NeighbourPackets, NeighbourBytes: after.NeighbourBytes - before.NeighbourBytes,
	}
	for by, was := range before.Stages {
		is := after.Stages[by]
		c.drop(policy.Stage(by), Amount{is.Packets - was.Packets, is.Bytes - was.Bytes})
	}
	return c
}

// countsOf are the counters of one frame, whose packets all have one verdict if it is
// decided.
func countsOf(is outcome, verdict policy.Verdict, layout frame.Layout) (c Counts) {
	n := layout.Packets()
	switch is {
	case relayed:
		c.RelayedPackets, c.RelayedBytes = uint64(n), layout.Bytes(0, n)
	case dropped:
		c.drop(verdict.By, Amount{uint64(n), layout.Bytes(0, n)})
	case spared:
		c.NeighbourPackets, c.NeighbourBytes = 1, layout.Bytes(0, 1)
	}
	return c
}

// expect transmits a frame and checks its outcome, and that a judged frame takes its
// numbers.
func (c *carrier) expect(s sample, want outcome) {
	c.t.Helper()
	next := c.next.Load()
	got, _ := c.transmit(s, s.build(0))
	if got != want {
		c.t.Errorf("%s: %v, want %v", s.what, got, want)
	}
	if taken := c.next.Load() - next; (taken != 0) != want.judged() {
		c.t.Errorf("%s: %v, and takes %d numbers", s.what, got, taken)
	}
}

// enter runs transmit_enter on a frame and reports whether the frame enters the queue.
func (c *carrier) enter() bool {
	c.t.Helper()
	kept, err := c.bpf.TransmitEnter.Run(&ebpf.RunOptions{Data: make([]byte, 60)})
	must(c.t, err)
	return kept != 0
}
