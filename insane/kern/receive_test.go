package kern

import (
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// Values of handoff.to that are not the index of a link, as in insane.c.
const (
	leave = 0
	steal = 0xffffffff
)

// receiver is a carrier of rx, with a backlog for the slave.
type receiver struct {
	*carrier
	backlog *Backlog
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	c := newCarrier(t, (*Objects).RX)
	backlog, err := c.direction.Register(c.index)
	must(t, err)
	return &receiver{c, backlog}
}

// receive runs a socket filter on a frame of the slave. It returns how many bytes the
// socket gets, and the handoff for ingress. As in bench.owner, the frame has its Ethernet
// header twice.
func (r *receiver) receive(filter *ebpf.Program, s sample, f frame.Frame) (kept uint32, handoff kernHandoff) {
	r.t.Helper()
	o := r.options(s, f)
	ethernet := append(append([]byte(nil), r.mac...), f[frame.HeaderLen+6:]...)
	o.Data = append(ethernet[:14:14], ethernet...)
	kept, err := filter.Run(o)
	must(r.t, err)
	var handoffs []kernHandoff // by processor
	must(r.t, r.bpf.Handoffs.Lookup(uint32(rx), &handoffs))
	return kept, handoffs[processors()[0]]
}

// The filters decide about each frame as the relay would, take its numbers and write the
// handoff. Frames that they leave to the relay count in the backlog.
func TestReceiveIsTheRelays(t *testing.T) {
	r := newReceiver(t)
	random := rand.New(rand.NewPCG(3, 4))
	epoch := max(now(), 2*forever) - forever
	var seen [4]int
	policies := steadyPolicies
	if !smallFilters() {
		policies = append(policies[:len(policies):len(policies)], rarePolicies...)
	}
	for _, text := range policies {
		program := r.open(text, epoch)
		for i := range 2000 / raceDivisor {
			s := anyOrMessage(random, 2500)
			f := r.forDevice(s)
			next := r.next.Load()
			want, layout := outcomeOf(&program, now(), next, f)
			before := r.direction.Counts()
			filter := []*ebpf.Program{r.bpf.ReceiveAuto, r.bpf.ReceiveAll}[i%2]
			kept, handoff := r.receive(filter, s, f)
			r.check(want, kept, handoff, layout)
			got := minus(r.direction.Counts(), before)
			counters := countsOf(want, program.Decide(now(), next), layout)
			counters.RelayedPackets, counters.RelayedBytes = 0, 0 // not yet
			counters.NeighbourPackets, counters.NeighbourBytes = 0, 0
			if got != counters {
				t.Fatalf("%s: %+v: %+v, want %+v", text, s, got, counters)
			}
			if taken := r.next.Load() - next; taken != want.numbers(layout) {
				t.Fatalf("%s: %+v: %v, and %d numbers taken", text, s, want, taken)
			}
			if want == undecided {
				r.next.Add(uint64(layout.Packets()))
				r.backlog.Done(1)
			}
			seen[want]++
		}
	}
	for is, n := range seen {
		if n < 500/raceDivisor {
			t.Errorf("%d frames %v: that is no test", n, outcome(is))
		}
	}
}

// check compares the results of a filter with an outcome.
func (r *receiver) check(is outcome, kept uint32, handoff kernHandoff, layout frame.Layout) {
	r.t.Helper()
	wantKept, wantTo := uint32(0), uint64(steal)
	switch is {
	case undecided:
		wantKept = 0xffffffff
	case relayed, spared:
		wantTo = uint64(r.to)
	}
	if kept != wantKept || handoff.To != wantTo {
		r.t.Fatalf("%v: %d bytes for the socket, %d left at ingress; want %d, %d", is, int32(kept), handoff.To, int32(wantKept), wantTo)
	}
	n := layout.Packets()
	if (handoff.Spared != 0) != (is == spared) && wantTo == uint64(r.to) {
		r.t.Fatalf("%v: spared %d", is, handoff.Spared)
	}
	if is == relayed && (uint64(handoff.Layout.Packets) != uint64(n) || uint64(handoff.Layout.Bytes) != layout.Bytes(0, n)) {
		r.t.Fatalf("%d packets, %d bytes; want %d, %d", handoff.Layout.Packets, handoff.Layout.Bytes, n, layout.Bytes(0, n))
	}
	if waiting := r.backlog.shared.waiting(); waiting != (is == undecided) {
		r.t.Fatalf("%v: waiting for the relay: %v", is, waiting)
	}
}

var toDevice = sample{what: "to the device", family: 4, protocol: unix.IPPROTO_UDP, payload: 100}

// forDevice builds a frame for one of the device's own addresses.
func (r *receiver) forDevice(s sample) frame.Frame {
	f := s.build(0)
	copy(f[frame.HeaderLen:], r.mac)
	if s.message != nil {
		return f // it is for the device by itself
	}
	if s.family == 4 {
		copy(f[frame.HeaderLen+14+16:], ip(own4).AsSlice())
	} else {
		copy(f[frame.HeaderLen+14+24:], ip(own6).AsSlice())
	}
	return f
}

// Kernels before 6.7 count the filter of a socket against net.core.optmem_max, of 20 kB, and
// refuse a larger one (net/core/filter.c, sk_filter_charge). Later ones have room for those that
// are loaded there.
func TestFilterFits(t *testing.T) {
	needRoot(t)
	found, err := compiled()
	must(t, err)
	spec, limits := found.Copy(), map[string]uint64{
		kernProgReceiveAutoSmall: 19 << 10, kernProgReceiveAllSmall: 19 << 10, kernProgReceiveNone: 1 << 10, // none in place of auto: 20 kB
		kernProgReceiveAuto: 48 << 10, kernProgReceiveAll: 48 << 10,
	}
	for name := range spec.Programs {
		if limits[name] == 0 {
			delete(spec.Programs, name)
		}
	}
	loaded, err := ebpf.NewCollection(spec)
	must(t, err)
	defer loaded.Close()
	for what, filter := range loaded.Programs {
		info, err := filter.Info()
		must(t, err)
		translated, err := info.Instructions()
		must(t, err)
		if most := limits[what]; translated.Size() > most {
			t.Errorf("the filter of %s has %d bytes, want at most %d", what, translated.Size(), most)
		}
	}
}
