package line_test

import (
	"testing"
	"unsafe"

	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

const chunk = 2 << 20

// counted is a source of memory that counts what it has given.
type counted struct{ given, most int }

func (c *counted) Alloc(bytes int) []byte {
	c.given += bytes
	c.most = max(c.most, c.given)
	return make([]byte, bytes)
}

func (c *counted) Free(b []byte) { c.given -= len(b) }

// The newcomer finds no room when the budget is used up, also if it is another line that uses
// it. There is room again when something has left.
func TestBudget(t *testing.T) {
	source := &counted{}
	memory := line.NewMemory(8*chunk, source)
	a, b := line.New(line.Options{Memory: memory}), line.New(line.Options{Memory: memory})
	f := plain('a', 60_000)
	kept := 0
	it := line.Item{Frame: f, Delay: millisecond}
	for ; kept < 10_000; kept++ {
		if n, why := a.Push(&it); why != line.Taken {
			if n != 0 || why != line.MemoryFull {
				t.Fatalf("kept %d, %d", n, why)
			}
			break
		}
	}
	if held := kept * len(f); held > 8*chunk || held < 6*chunk {
		t.Errorf("%d bytes are held of a budget of %d", held, 8*chunk)
	}
	if _, why := b.Push(&it); why != line.MemoryFull {
		t.Errorf("the other line has room: %d", why)
	}
	if packets, _ := a.Held(); packets != uint64(kept) {
		t.Errorf("%d packets are held, want %d", packets, kept)
	}
	for _, ok := a.Pop(millisecond); ok; _, ok = a.Pop(millisecond) {
	}
	if _, why := a.Push(&it); why != line.MemoryFull {
		t.Errorf("frames are overwritten before Release")
	}
	a.Release()
	if _, why := a.Push(&it); why != line.Taken {
		t.Errorf("a line that has let all go refuses: %d", why)
	}
	if source.most > 8*chunk || memory.Used() > 8*chunk {
		t.Errorf("%d bytes were taken, %d used", source.most, memory.Used())
	}
}

// A peak's memory is given back within seconds, if the caller does what Next says, without
// further packets as well.
func TestMemoryFallsBack(t *testing.T) {
	source := &counted{}
	l := line.New(line.Options{Memory: line.NewMemory(512<<20, source)})
	f := plain('a', 60_000)
	now := policy.Time(0)
	for range 3000 {
		now += 10 * microsecond
		push(t, l, line.Item{Frame: f, Arrival: now, Delay: 100 * millisecond})
	}
	if source.given < 3000*60_000 {
		t.Fatalf("%d bytes are held", source.given)
	}
	turns := 0
	for until, some := l.Next(); some; until, some = l.Next() {
		if turns++; turns > 10_000 || until < now {
			t.Fatalf("at %d, turn %d: next is %d", now, turns, until)
		}
		now = until
		for _, ok := l.Pop(now); ok; _, ok = l.Pop(now) {
		}
		l.Release()
	}
	if source.given > 8*chunk || now > 5*second {
		t.Errorf("%d bytes are kept at %d", source.given, now)
	}
}

// Chunks are given back under traffic too, when it needs fewer of them, and not while it needs
// them.
func TestMemoryUnderTraffic(t *testing.T) {
	source := &counted{}
	l := line.New(line.Options{Memory: line.NewMemory(512<<20, source)})
	f := plain('a', 60_000)
	now, taken := policy.Time(0), 0
	run := func(d, delay policy.Time) {
		for end := now + d; now < end; now += 100 * microsecond {
			before := source.most
			push(t, l, line.Item{Frame: f, Arrival: now, Delay: delay})
			for _, ok := l.Pop(now); ok; _, ok = l.Pop(now) {
			}
			l.Release()
			if source.most > before {
				taken++
			}
		}
	}
	run(2*second, 100*millisecond)
	taken = 0
	run(5*second, 100*millisecond)
	if taken > 0 {
		t.Errorf("steady traffic takes chunks %d times", taken)
	}
	l.Set(now, line.Settings{Longest: millisecond})
	run(5*second, millisecond)
	if source.given > 8*chunk {
		t.Errorf("%d bytes are kept", source.given)
	}
}

// A warm line allocates nothing, whatever it has to do with a packet.
func TestNoAllocation(t *testing.T) {
	slots := func(uint64) policy.Time { return 10 * millisecond }
	for name, s := range map[string]line.Settings{
		"delay":   {Longest: second},
		"heap":    {Longest: second, Reordering: true},
		"rate":    {Longest: second, Rate: 1_000_000_000, QueueTime: second, QueueMark: millisecond},
		"reorder": {Behind: 3},
		"slots":   {SlotLength: slots, SlotMean: 10 * millisecond, SlotPackets: 500},
	} {
		l, now := open(s), policy.Time(0)
		f, layout := inspected(t, super(20, 1000, 1000))
		one := plain('a', 60)
		turn := func() {
			for i := range policy.Time(50) {
				now += 200 * microsecond
				l.Push(&line.Item{Frame: f, Layout: &layout, Arrival: now, Delay: min(s.Longest, (50-i)*millisecond)})
				l.Push(&line.Item{Frame: one, Arrival: now, Behind: s.Behind})
				for _, ok := l.Pop(now); ok; _, ok = l.Pop(now) {
				}
				l.Release()
				l.Next()
			}
		}
		for range 200 {
			turn()
		}
		if n := testing.AllocsPerRun(100, turn); n != 0 {
			t.Errorf("%s: %v allocations for 100 frames", name, n)
		}
	}
}

// The memory of what a line knows of a frame is counted in full.
func TestBlockSize(t *testing.T) {
	if got := unsafe.Sizeof(line.Held{}); got != line.HeldSize {
		t.Errorf("a frame that is held needs %d bytes, want %d", got, line.HeldSize)
	}
}
