package main

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// lossiness is a percentage, and how many packets show it.
type lossiness struct {
	percent string
	count   int
}

// lossy are the edges, the middle, the rare, and one that is neither.
var lossy = []lossiness{
	{"50", 12_000}, {"80", 12_000}, {"1", 12_000}, {"99", 12_000}, {"0", 6_000}, {"100", 6_000},
}

// TestPercentOnTheWire: which packets arrive is what the engine decided, packet
// by packet.
func TestPercentOnTheWire(t *testing.T) {
	eachPath(t, func(t *testing.T, path string) { newTestbed(t, path).losePercents(t, smallOver(path), lossy) })
}

// smallOver is the family that small packets go over; large ones go over the other,
// and on the other path it is the other way around.
func smallOver(path string) (family int) {
	if path == api.PathRelay {
		return 6
	}
	return 4
}

func (b *testbed) losePercents(t *testing.T, small int, list []lossiness) {
	for _, family := range []int{4, 6} {
		length := 1400 // of the IP packet
		if family == small {
			length = 64
		}
		headers := map[int]int{4: 20 + 8, 6: 40 + 8}[family]
		for i, p := range list {
			seed := uint64(family*length + i)
			t.Run(fmt.Sprintf("IPv%d/%dB/percent%s", family, length, p.percent), func(t *testing.T) {
				program, r := b.begin(t, "percent "+p.percent, seed)
				got := b.newFlow(t, family).carry(t, r, program, cargo{count: p.count, size: always(length - headers)})
				checkRate(t, p.count, got, p.percent)
			})
		}
	}
}

// checkRate fails if chance does not explain that, of count packets, so many
// were relayed at that percentage. It knows nothing of the engine.
func checkRate(t testing.TB, count, relayed int, percent string) {
	t.Helper()
	p, err := strconv.ParseFloat(percent, 64)
	if err != nil {
		t.Fatal(err)
	}
	lo, hi := lab.Interval(uint64(count), p/100, lab.Alpha)
	if uint64(relayed) < lo || uint64(relayed) > hi {
		t.Errorf("relayed %d of %d packets; percent %s allows %d to %d", relayed, count, percent, lo, hi)
	}
}

// TestPassOnTheWire: without a policy the device is a wire. A million packets of
// all sizes, half of them on either path: none lost, none doubled, none out of order,
// none changed.
func TestPassOnTheWire(t *testing.T) {
	eachPath(t, func(t *testing.T, path string) { newTestbed(t, path).passMany(t) })
}

func (b *testbed) passMany(t *testing.T) {
	sizes := []int{8, 36, 64, 200, 512, 36, 1024, 1400, 64, 1452} // bytes of payload; 1452 fills an IPv6 packet
	for _, family := range []int{4, 6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			program, r := b.begin(t, "pass", 1)
			const count = million / 4
			got := b.newFlow(t, family).carry(t, r, program,
				cargo{count: count, size: func(i int) int { return sizes[i%len(sizes)] }})
			if got != count {
				t.Errorf("%d of %d packets arrived", got, count)
			}
		})
	}
}
