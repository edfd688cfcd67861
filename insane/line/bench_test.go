package line_test

import (
	"math/rand/v2"
	"testing"

	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

// BenchmarkPushPop pushes and pops one packet of 60 bytes, while 83,000 others wait: those that are
// under way in a cable of 100 ms with 830,000 packets a second.
func BenchmarkPushPop(b *testing.B) {
	const held = 83_000
	for _, bench := range []struct {
		name   string
		s      line.Settings
		jitter policy.Time
	}{
		{"fifo", line.Settings{Longest: second}, 0},
		{"jitter", line.Settings{Longest: second, Reordering: true}, held / 2},
		{"rate", line.Settings{Longest: second, Rate: 60 * 8 * 1_000_000_000, QueuePackets: 1000}, 0},
	} {
		b.Run(bench.name, func(b *testing.B) {
			l, r, now := open(bench.s), rand.New(rand.NewPCG(1, 2)), policy.Time(0)
			it := line.Item{Frame: plain('a', 60), Delay: held}
			step := func() {
				now++
				it.Arrival = now
				if bench.jitter > 0 {
					it.Delay = held - bench.jitter + policy.Time(r.Uint64N(uint64(2*bench.jitter)))
				}
				l.Push(&it)
				l.Pop(now)
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

// BenchmarkSuper holds a super-frame of 44 packets: whole behind a constant delay, and in parts
// behind a link of 5 Gbit/s.
func BenchmarkSuper(b *testing.B) {
	for _, bench := range []struct {
		name string
		s    line.Settings
	}{
		{"delay", line.Settings{Longest: second}},
		{"rate", line.Settings{Longest: second, Rate: 5_000_000_000}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			l, now := open(bench.s), policy.Time(0)
			f, layout := inspected(b, super(44, 1448, 1448))
			it := line.Item{Frame: f, Layout: &layout, Delay: 20 * millisecond}
			b.SetBytes(int64(len(f)))
			b.ReportAllocs()
			for b.Loop() {
				now += 106 * microsecond
				it.Arrival = now
				l.Push(&it)
				for _, ok := l.Pop(now); ok; _, ok = l.Pop(now) {
				}
				l.Release()
			}
		})
	}
}
