//go:build !fuzz

package frame_test

import (
	"maps"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// TestKernelAgrees sends super-frames into a veth pair whose near end has no
// offloads, so that the kernel itself cuts them and finishes their checksums,
// and compares what arrives, byte by byte, with the oracle. So the oracle, and
// with it Split, does what Linux does.
//
// Then it sends what Split leaves of them, which shows that the kernel takes
// the virtio headers that Split writes and understands them as meant.
func TestKernelAgrees(t *testing.T) {
	v := openVeth(t, wiring{cut: true})
	for name, s := range v.cuttable(t) {
		t.Run(name, func(t *testing.T) {
			f := s.build()
			packets := packetsOf(t, f)
			comparePackets(t, packets, v.carry(t, f))
			for pattern, relay := range patterns(len(packets)) {
				t.Run(pattern, func(t *testing.T) {
					work := f.Clone()
					l, err := frame.Inspect(work)
					if err != nil {
						t.Fatal(err)
					}
					var split frame.Splitter
					results := split.Split(work, l, relay, nil)
					comparePackets(t, survivors(packets, relay), v.carry(t, results...))
				})
			}
		})
	}
}

// TestKernelCarriesShortSupers: the kernel treats a super-frame with less payload than
// one segment as one packet, as Inspect does.
func TestKernelCarriesShortSupers(t *testing.T) {
	v := openVeth(t, wiring{cut: true})
	for name, s := range map[string]super{
		"no payload":       {family: 4, protocol: tcp, gso: 1000},
		"shorter than gso": {family: 6, protocol: tcp, payload: 10, gso: 1000},
		"datagram":         {family: 6, protocol: udp, payload: 10, gso: 1000},
	} {
		if v.old && s.protocol == udp {
			continue
		}
		t.Run(name, func(t *testing.T) {
			f := s.build()
			if l, err := frame.Inspect(f); err != nil || l.Packets() != 1 {
				t.Fatalf("%d packets, %v; want 1", l.Packets(), err)
			}
			comparePackets(t, packetsOf(t, f), v.carry(t, f))
		})
	}
}

// cuttable are the supers but for those that the kernel takes for something else:
// accurate ECN, of which the virtio header does not tell it, TCP segments of less
// than 8 bytes, which Linux 7.3 lengthens, and before Linux 6.2 all of UDP.
func (v *veth) cuttable(t *testing.T) map[string]super {
	t.Helper()
	if v.old {
		t.Log("this kernel has no virtio header for UDP super-frames: they are left out")
	}
	all := supers()
	maps.DeleteFunc(all, func(_ string, s super) bool {
		return s.accECN || s.protocol == tcp && s.gso < 8 || s.protocol == udp && v.old
	})
	return all
}
