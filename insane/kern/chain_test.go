package kern

import (
	"io"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// OneSided counts the programs behind the fast path of tx, and those in front of the other
// programs of a device. It counts nothing where the device has no program.
func TestOneSided(t *testing.T) {
	near, far := newNamespace(t)
	if !hasTCX(t) {
		t.Log("no tcx: there is nothing to count")
		return
	}
	r, index, other := openObjects(t, nil), near.Attrs().Index, far.Attrs().Index
	for _, tt := range []struct {
		chain  Chain
		at     ebpf.AttachType
		attach func() (io.Closer, error)
		first  int // expected with one other program in front, and two behind
	}{
		{ChainTransmit, ebpf.AttachTCXEgress, func() (io.Closer, error) { return r.attachTransmit(InterfaceOptions{Link: index}) }, 2},
		{ChainArrive, ebpf.AttachTCXIngress, func() (io.Closer, error) { return r.attachArrive(InterfaceOptions{Link: index}) }, 1},
		{ChainSteal, ebpf.AttachTCXIngress, func() (io.Closer, error) { return r.AttachSlave(SlaveOptions{Link: other}) }, 1},
	} {
		on := index
		if tt.chain == ChainSteal {
			on = other
		}
		count := func(when string, want int) {
			t.Helper()
			if got, err := r.OneSided(tt.chain, on); err != nil || got != want {
				t.Errorf("chain %d, %s: %d (%v), want %d", tt.chain, when, got, err, want)
			}
		}
		put := func(anchor link.Anchor) {
			t.Helper()
			l, err := link.AttachTCX(link.TCXOptions{Interface: on, Program: newVerdict(t, -1), Attach: tt.at, Anchor: anchor})
			must(t, err)
			t.Cleanup(func() { l.Close() })
		}
		closer, err := tt.attach()
		must(t, err)
		count("alone", 0)
		put(link.Head())
		put(link.Tail())
		put(link.Tail())
		count("among others", tt.first)
		must(t, closer.Close())
		count("detached", 0)
	}
	if got, err := r.OneSided(ChainSteal, 1<<30); err != nil || got != 0 {
		t.Errorf("a link that is gone: %d (%v)", got, err)
	}
}
