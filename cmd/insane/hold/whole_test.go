package hold

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
)

// TestHeldIsWhole: policies that hold packets and do nothing else lose, double, reorder and change
// none of INSANE_PACKETS packets, small ones, full ones and those of super-frames.
func TestHeldIsWhole(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		packets := testbed.EnvInt(t, "INSANE_PACKETS", 2_000)
		for _, text := range []string{"delay 5ms", "rate 10gbit queue 1h delay 1ms", "slot 1ms 2ms"} {
			supers := testbed.Supers(packets)
			for _, c := range []struct {
				what  string
				cargo func(f *testbed.Flow) testbed.Cargo
			}{
				{"small", func(*testbed.Flow) testbed.Cargo { return testbed.Cargo{Size: testbed.Always(22)} }},
				{"full", func(*testbed.Flow) testbed.Cargo { return testbed.Cargo{Size: testbed.Always(testbed.MaxUDP)} }},
				{"super", func(f *testbed.Flow) testbed.Cargo {
					return testbed.Cargo{Size: supers.Size, Send: func(from, to int) { supers.Send(t, f, from, to) }}
				}},
			} {
				t.Run(text+"/"+c.what, func(t *testing.T) {
					f := b.NewFlow(t, 4)
					cargo := c.cargo(f)
					if cargo.Count = packets; cargo.Send != nil {
						testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.Segment)
					}
					program, a := b.Begin(t, text, 1)
					if received := f.Carry(t, a, program, cargo); received != packets {
						t.Errorf("%d of %d packets have arrived", received, packets)
					}
				})
			}
		}
	})
}
