package wire

import (
	"fmt"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// lossiness is a percentage, and the number of packets to send with it.
type lossiness struct {
	percent string
	count   int
}

// lossy has both limits, the middle, a rare loss, and another value.
var lossy = []lossiness{
	{"50", 12_000}, {"80", 12_000}, {"1", 12_000}, {"99", 12_000}, {"0", 6_000}, {"100", 6_000},
}

// TestPercentOnTheWire: exactly the packets arrive that the engine relays.
func TestPercentOnTheWire(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) { losePercents(t, testbed.New(t, path), smallOver(path), lossy) })
}

// smallOver is the family of small packets; large packets use the other one. On the other
// path it is the other way round.
func smallOver(path string) (family int) {
	if path == api.PathRelay {
		return 6
	}
	return 4
}

func losePercents(t *testing.T, b *testbed.Bed, small int, list []lossiness) {
	for _, family := range []int{4, 6} {
		length := 1400 // of the IP packet
		if family == small {
			length = 64
		}
		headers := map[int]int{4: 20 + 8, 6: 40 + 8}[family]
		for i, p := range list {
			seed := uint64(family*length + i)
			t.Run(fmt.Sprintf("IPv%d/%dB/percent%s", family, length, p.percent), func(t *testing.T) {
				program, r := b.Begin(t, "percent "+p.percent, seed)
				got := b.NewFlow(t, family).Carry(t, r, program, testbed.Cargo{Count: p.count, Size: testbed.Always(length - headers)})
				testbed.CheckRate(t, p.count, got, p.percent)
			})
		}
	}
}

// TestPassOnTheWire: with the policy pass the device is like a wire. It relays a million
// packets of all sizes, half of them on each path. None is lost, duplicated, reordered or
// changed.
func TestPassOnTheWire(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) { passMany(t, testbed.New(t, path)) })
}

func passMany(t *testing.T, b *testbed.Bed) {
	sizes := []int{8, 36, 64, 200, 512, 36, 1024, 1400, 64, 1452} // bytes of payload; 1452 fills an IPv6 packet
	for _, family := range []int{4, 6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			program, r := b.Begin(t, "pass", 1)
			const count = testbed.Million / 4
			got := b.NewFlow(t, family).Carry(t, r, program,
				testbed.Cargo{Count: count, Size: func(i int) int { return sizes[i%len(sizes)] }})
			if got != count {
				t.Errorf("%d of %d packets arrived", got, count)
			}
		})
	}
}
