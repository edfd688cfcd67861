package frame_test

import (
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
	v := openVeth(t)
	for name, s := range supers() {
		t.Run(name, func(t *testing.T) {
			f := s.build()
			packets := packetsOf(t, f)
			comparePackets(t, packets, v.carry(t, f))
			for pattern, relay := range patterns(len(packets)) {
				t.Run(pattern, func(t *testing.T) {
					work := f.Clone()
					sh, err := frame.Inspect(work)
					if err != nil {
						t.Fatal(err)
					}
					var split frame.Splitter
					results := split.Split(work, sh, relay, nil)
					comparePackets(t, survivors(packets, relay), v.carry(t, results...))
				})
			}
		})
	}
}

// TestKernelCarriesShortSupers holds that super-frames with less payload than
// one segment holds, which Inspect accepts as one packet, are one to the kernel.
func TestKernelCarriesShortSupers(t *testing.T) {
	v := openVeth(t)
	for name, s := range map[string]super{
		"no payload":       {family: 4, protocol: tcp, gso: 1000},
		"shorter than gso": {family: 6, protocol: tcp, payload: 10, gso: 1000},
		"datagram":         {family: 6, protocol: udp, payload: 10, gso: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			f := s.build()
			if sh, err := frame.Inspect(f); err != nil || sh.Packets() != 1 {
				t.Fatalf("%d packets, %v; want 1", sh.Packets(), err)
			}
			comparePackets(t, packetsOf(t, f), v.carry(t, f))
		})
	}
}
