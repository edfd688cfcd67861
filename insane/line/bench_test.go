package line_test

import (
	"math/rand/v2"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

// BenchmarkPushPop pushes and pops one packet of 60 bytes, while 83,000 others wait.
func BenchmarkPushPop(b *testing.B) {
	const held = 83_000
	for _, bench := range []struct {
		name   string
		s      line.Settings
		jitter uint64
	}{
		{"fifo", line.Settings{Longest: second}, 0},
		{"jitter", line.Settings{Longest: second, Reordering: true}, held / 2},
		{"rate", line.Settings{Longest: second, Rate: 60 * 8 * 1_000_000_000, QueuePackets: 1000}, 0},
	} {
		b.Run(bench.name, func(b *testing.B) {
			l := open(bench.s)
			f := plain('a', 60)
			r := rand.New(rand.NewPCG(1, 2))
			now := policy.Time(0)
			it := line.Item{Frame: f, Delay: held}
			popped := 0
			step := func() {
				now++
				it.Arrival = now
				if bench.jitter > 0 {
					it.Delay = held - policy.Time(bench.jitter) + policy.Time(r.Uint64N(2*bench.jitter))
				}
				l.Push(&it)
				for _, ok := l.Pop(now); ok; _, ok = l.Pop(now) {
					popped++
				}
				if now%64 == 0 {
					l.Release()
				}
			}
			for range 3 * held {
				step()
			}
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}

var _ = frame.HeaderLen
