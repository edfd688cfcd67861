package wire

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// lossesInARow are policies whose losses depend on each other, or are counted.
var lossesInARow = []string{
	"percent 99 run 5", "percent 50 run 1.2", "percent 50 run 1", "gemodel 5 30 50 1", "state 5 30 20 40 1",
	"exactly 3 of 10", "exactly 7 of 97", "drop 1-3,45-50,1000-2000,2999", "percent 95 run 3 gemodel 1 10 exactly 1 of 20 drop 1-50",
}

// TestLossesInARowOnTheWire: exactly the packets arrive that the engine relays, of plain
// packets and of super-frames, on either path.
func TestLossesInARowOnTheWire(t *testing.T) {
	t.Parallel()
	testbed.EachPath(t, func(t *testing.T, path string) { loseInARow(t, testbed.New(t, path)) })
}

// TestReceiveLossesInARow: the same of what arrives. Before Linux 6.7 the fast path has no
// room for that.
func TestReceiveLossesInARow(t *testing.T) {
	t.Parallel()
	testbed.EachPath(t, func(t *testing.T, path string) {
		if path == api.PathKernel && testbed.KernelBefore(t, 6, 7) {
			path = api.PathAuto
		}
		loseInARow(t, testbed.NewReceiver(t, path))
	})
}

func loseInARow(t *testing.T, b *testbed.Bed) {
	const count = 3000
	for i, text := range lossesInARow {
		family := 4 + i%2*2
		t.Run(text, func(t *testing.T) {
			program, a := b.Begin(t, text, uint64(i))
			got := b.NewFlow(t, family).Carry(t, a, program, testbed.Cargo{Count: count, Size: testbed.Always(100 + 10*i)})
			want := 0
			for seq := range uint64(count) {
				if !program.Decide(0, seq).Lost() {
					want++
				}
			}
			if got != want || want == count {
				t.Errorf("%d of %d packets arrived, want %d", got, count, want)
			}
		})
		if b.Receiving() && testbed.KernelBefore(t, 6, 2) {
			continue // a packet socket cannot return super-frames of UDP
		}
		t.Run(text+"/super-frames", func(t *testing.T) {
			list := testbed.Supers(8_000)
			f := b.NewFlow(t, family)
			testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.Segment)
			program, a := b.Begin(t, text, uint64(100+i))
			frames := 0
			f.Carry(t, a, program, testbed.Cargo{
				Count: int(list), Size: list.Size,
				Send: func(from, to int) { frames += list.Send(t, f, from, to) },
			})
			if frames == 0 || frames > int(list)/2 {
				t.Errorf("%d frames for %d packets", frames, list)
			}
		})
	}
}

// TestDropCountsFromTheChange: the numbers of a list are those after the change, on either
// path, whatever was sent before. A new seed begins to count anew.
func TestDropCountsFromTheChange(t *testing.T) {
	t.Parallel()
	testbed.EachPath(t, func(t *testing.T, path string) {
		b := testbed.New(t, path)
		b.Begin(t, "pass", 1)
		const text = "drop 1,5-7,100"
		for round := range 3 {
			t.Run(fmt.Sprint(round), func(t *testing.T) {
				f := b.NewFlow(t, 4)
				b.AwaitQuiet(t)
				change := b.Change(text)
				if round == 2 {
					change = api.Change{Seed: new(uint64)}
				}
				now := b.Direction(labtest.Set(t, b.Daemon, change))
				a := testbed.Account{Before: now.Stats, Bed: b}
				if got := f.Carry(t, a, b.Program(t, text, 1), testbed.Cargo{Count: 500, Size: testbed.Always(100)}); got != 495 {
					t.Errorf("%d of 500 packets arrived", got)
				}
			})
		}
	})
}
