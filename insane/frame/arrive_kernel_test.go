//go:build !fuzz

package frame_test

import (
	"encoding/binary"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// TestKernelTakesTagsOut sends frames with VLAN tags, whole, and holds that
// InsertTag makes again of what a packet socket hands out what was sent.
func TestKernelTakesTagsOut(t *testing.T) {
	v := openVeth(t, wiring{header: true})
	for name, s := range v.cuttable(t) {
		for what, tags := range map[string][]uint16{
			"untagged":     nil,
			"tagged":       {typeTag},
			"service tag":  {typeSTag},
			"doubly":       {typeSTag, typeTag},
			"doubly inner": {typeTag, typeTag},
		} {
			s.tags = tags
			f := s.build()
			for i := range tags { // priority and drop eligibility are of the tag as well
				f[frame.HeaderLen+14+4*i] |= 0xb0
			}
			t.Run(name+"/"+what, func(t *testing.T) {
				all := v.arrivals(t, f)
				if len(tags) < 2 {
					checkWhole(t, f, all)
				} else { // the kernel cuts them on the way (vlan_features_check)
					checkArrivals(t, f, all)
				}
			})
		}
	}
}

// TestKernelTakesTagsOutOfPlainFrames is the same for frames of one packet.
func TestKernelTakesTagsOutOfPlainFrames(t *testing.T) {
	v := openVeth(t, wiring{header: true})
	partial := super{family: 4, protocol: udp, tags: []uint16{typeTag}, payload: 700, gso: 1000}.build()
	h := partial.Header()
	h.GSOType, h.GSOSize = frame.GSONone, 0
	partial.SetHeader(h)
	for name, f := range map[string]frame.Frame{
		"partial checksum": partial,
		"tag":              append(plain(typeTag, 0), 0xe0, 0x01, 0x88, 0xb5, 1, 2, 3),
		"tag 0":            append(plain(typeTag, 0), 0, 0, 0x88, 0xb5, 1, 2, 3),
		"three tags":       append(plain(typeSTag, 0), 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 0x88, 0xb5, 1),
	} {
		t.Run(name, func(t *testing.T) { checkWhole(t, f, v.arrivals(t, f)) })
	}
}

// TestKernelMerges holds that what GRO makes of packets is understood, and that
// cutting it again would give the same packets: with partial checksums, and as
// rx-gro-list hands it out, with verified ones.
func TestKernelMerges(t *testing.T) {
	for _, test := range []struct {
		feature string
		flags   uint8
	}{
		{"rx-udp-gro-forwarding", frame.NeedsCsum},
		{"rx-gro-list", frame.DataValid},
	} {
		t.Run(test.feature, func(t *testing.T) {
			v := openVeth(t, wiring{cut: true, header: true, features: []string{"rx-gro", test.feature}})
			merged := map[uint8]int{} // super-frames by GSO type
			for name, s := range v.cuttable(t) {
				f := s.build()
				t.Run(name, func(t *testing.T) {
					all := v.arrivals(t, f)
					checkArrivals(t, f, all)
					for _, a := range all {
						if a.socket.Flags == test.flags {
							merged[a.socket.GSOType]++
						}
					}
				})
			}
			for _, gsoType := range []uint8{frame.GSOTCPv4, frame.GSOTCPv6, frame.GSOUDPL4} {
				if merged[gsoType] == 0 && !v.old {
					t.Errorf("no super-frame of GSO type %d arrived: the test shows nothing", gsoType)
				}
			}
		})
	}
}

// TestKernelMakesPartial sends super-frames without partial checksum, of which
// the kernel makes the packets that Split makes of them after MakePartial.
func TestKernelMakesPartial(t *testing.T) {
	v := openVeth(t, wiring{cut: true})
	for name, s := range v.cuttable(t) {
		f := s.build()
		d := dissect(f)
		switch {
		case s.protocol == udp || s.tags != nil: // the kernel refuses those
			continue
		case s.payload <= s.gso: // and takes these for packets
			continue
		case d.routed(f[frame.HeaderLen:]): // and sums the next hop (__tcp_v6_send_check)
			continue
		}
		t.Run(name, func(t *testing.T) {
			verified := f.Clone()
			h := verified.Header()
			h.Flags, h.CsumStart, h.CsumOffset = frame.DataValid, 0, 0
			verified.SetHeader(h)
			binary.BigEndian.PutUint16(verified[frame.HeaderLen+d.check:], 0xdead)
			got := v.carry(t, verified)

			frame.MakePartial(verified)
			l, err := frame.Inspect(verified)
			if err != nil {
				t.Fatal(err)
			}
			var split frame.Splitter
			var cut [][]byte
			for i := range l.Packets() { // each by itself
				relay := make([]bool, l.Packets())
				relay[i] = true
				work := verified.Clone()
				for _, r := range split.Split(work, l, relay, nil) {
					cut = append(cut, packetsOf(t, r)...)
				}
			}
			comparePackets(t, got, cut)
		})
	}
}
