package line_test

import (
	"fmt"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

// A relay holds three packets of 1250 Ethernet bytes, of which a link of 10 Mbit/s carries one in
// a millisecond, and which go through a cable of 20 ms then. There is room for one in the queue.
func Example() {
	memory := line.NewMemory(512<<20, nil) // that both directions share
	l := line.New(line.Options{Memory: memory})
	l.Set(0, line.Settings{Rate: 10_000_000, QueuePackets: 1, Longest: 20 * millisecond})

	read := func(now policy.Time) {
		for name := range byte(3) {
			f := make(frame.Frame, frame.HeaderLen+1250)
			layout, err := frame.Inspect(f)
			if err != nil {
				fmt.Println(err)
				return
			}
			it := line.Item{
				Frame: f, Layout: &layout, // Push copies the bytes
				Arrival: now, Delay: 20 * millisecond,
				Tag: line.Tag{Number: uint64(name)},
			}
			if kept, why := l.Push(&it); why == line.QueueFull {
				fmt.Println("packet", name, "finds the queue full, kept:", kept)
			}
		}
	}
	read(0)

	now := policy.Time(0)
	for {
		for p, ok := l.Pop(now); ok; p, ok = l.Pop(now) {
			fmt.Printf("packet %d leaves at %d µs, %d bytes\n", p.Tag.Number, now/microsecond, p.Bytes)
		}
		l.Release() // behind the write of all these frames
		until, some := l.Next()
		if !some {
			break
		}
		now = until // the relay reads until then
	}
	// Output:
	// packet 2 finds the queue full, kept: 0
	// packet 0 leaves at 21000 µs, 1250 bytes
	// packet 1 leaves at 22000 µs, 1250 bytes
}
