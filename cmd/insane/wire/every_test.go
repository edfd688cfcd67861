package wire

import (
	"fmt"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
)

// TestEveryOnTheWire: exactly each Nth packet is lost, on either path, with this stage
// alone and with another stage. The losses of each stage are counted separately.
func TestEveryOnTheWire(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		b := testbed.New(t, path)
		for _, family := range []int{4, 6} {
			for i, text := range []string{"every 2", "every 7", "every 1", "every 1000", "percent 50 every 3"} {
				t.Run(fmt.Sprintf("IPv%d/%s", family, text), func(t *testing.T) {
					const count = 6000
					before := b.Stats(t)
					program, a := b.Begin(t, text, uint64(family+i))
					b.NewFlow(t, family).Carry(t, a, program, testbed.Cargo{Count: count, Size: testbed.Always(100 * (i + 1))})
					want := map[string]uint64{}
					for seq := range uint64(count) {
						want[program.Decide(0, seq).String()]++
					}
					now := b.Stats(t)
					for _, stage := range []string{"percent", "every", "time"} {
						got := now.Stages[stage].Packets - before.Stages[stage].Packets
						if want := want["drop by "+stage]; got != want {
							t.Errorf("%s dropped %d packets, want %d", stage, got, want)
						}
					}
				})
			}
		}
	})
}
