package line_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

// pair is a line beside the model. Both get the same items and settings at the same times, and
// must let the same packets leave at the same times.
type pair struct {
	testing.TB
	line  *line.Line
	model *model
	now   policy.Time
	items int
	next  map[int]int // of each item, the packet that leaves next
	left  int         // packets of the model that the line has let go
}

func newPair(t testing.TB, s line.Settings) *pair {
	return &pair{TB: t, line: open(s), model: newModel(s), next: map[int]int{}}
}

// push pushes n packets with size bytes of payload, the last of which has last.
func (p *pair) push(n, size, last int, delay policy.Time, behind uint32) {
	p.Helper()
	f, l := inspected(p, super(n, size, last))
	p.items++
	all := make([]*packet, n)
	for i := range all {
		all[i] = &packet{
			item: p.items, index: i, of: n, bytes: l.Bytes(i, i+1), each: l.Bytes(0, 1),
			arrival: p.now, delay: delay, behind: int(behind), capable: true,
		}
	}
	want := p.model.push(all)
	got, why := p.line.Push(&line.Item{
		Frame: f, Layout: &l, Arrival: p.now, Delay: delay, Behind: behind, Tag: line.Tag{Number: uint64(p.items)},
	})
	clear(f) // the line has a copy
	if got != want || (why == line.Taken) != (want == n) || why == line.MemoryFull {
		p.Fatalf("at %d: of item %d with %d packets %d are kept, want %d (%v)", p.now, p.items, n, got, want, why)
	}
}

// goOn lets the time pass, and compares what leaves at its end.
func (p *pair) goOn(d policy.Time) {
	p.Helper()
	p.now += d
	if at, ok := p.line.Next(); ok && at > 0 && at <= p.now {
		if part, ok := p.line.Pop(at - 1); ok {
			p.Fatalf("item %d leaves before %d, which is next", part.Tag.Number, at)
		}
	}
	p.model.advance(p.now)
	for {
		part, ok := p.line.Pop(p.now)
		if !ok {
			break
		}
		p.compare(part)
		if p.items%3 == 0 {
			p.line.Release()
		}
	}
	p.line.Release()
	if p.left != len(p.model.out) {
		want := p.model.out[p.left]
		p.Fatalf("at %d: packet %d of item %d has not left, which was due at %d", p.now, want.index, want.item, want.due)
	}
	packets, bytes := p.model.held()
	if gotPackets, gotBytes := p.line.Held(); gotPackets != packets || gotBytes != bytes {
		p.Fatalf("at %d: %d packets, %d bytes are held, want %d, %d", p.now, gotPackets, gotBytes, packets, bytes)
	}
}

// held is a packet that waits in the model.
func (m *model) held() (packets, bytes uint64) {
	for _, some := range [][]*packet{m.queue, m.delayed, m.asides, m.gated} {
		for _, p := range some {
			packets++
			bytes += p.bytes
		}
	}
	return packets, bytes
}

// compare compares a part with what has left the model.
func (p *pair) compare(part line.Part) {
	p.Helper()
	item := int(part.Tag.Number)
	l, err := frame.Inspect(part.Frame)
	if err != nil || l.Packets() != part.Packets || l.Bytes(0, part.Packets) != part.Bytes {
		p.Fatalf("item %d: part has %d packets, %d bytes, its frame %d, %d (%v)",
			item, part.Packets, part.Bytes, l.Packets(), l.Bytes(0, l.Packets()), err)
	}
	for i := range part.Packets {
		index := p.next[item]
		p.next[item]++
		if p.left == len(p.model.out) {
			p.Fatalf("at %d: packet %d of item %d leaves, due %d, and nothing is", p.now, index, item, part.Due)
		}
		want := p.model.out[p.left]
		p.left++
		if want.item != item || want.index != index || want.due != part.Due || want.mark != part.Marked {
			p.Fatalf("at %d: packet %d of item %d leaves, due %d, marked %v; want %d of %d, due %d, %v",
				p.now, index, item, part.Due, part.Marked, want.index, want.item, want.due, want.mark)
		}
		if number, marked := numberOf(part.Frame); i == 0 && (number != byte(index) || marked != part.Marked) {
			p.Fatalf("part begins with packet %d of item %d, want %d; its mark is %v, want %v", number, item, index, marked, part.Marked)
		}
		if last := i == part.Packets-1 && index == want.kept-1; i == part.Packets-1 && last != part.Last {
			p.Fatalf("packet %d of item %d is the last of %d: %v", index, item, want.kept, part.Last)
		}
	}
}

// set changes the settings.
func (p *pair) set(s line.Settings) {
	p.Helper()
	p.goOn(0)
	p.model.set(p.now, s)
	p.line.Set(p.now, s)
}

// randomSettings draws settings, each fault of which may be absent.
func randomSettings(r *rand.Rand, now policy.Time) line.Settings {
	s := line.Settings{Longest: policy.Time(r.Uint64N(1 << r.Uint64N(26))), Reordering: r.IntN(3) == 0}
	if r.IntN(3) > 0 {
		s.Rate = 1 + r.Uint64N(1<<(10+r.Uint64N(25)))
		s.Overhead = int64(r.IntN(40)) - 20
		if r.IntN(3) == 0 {
			s.Cell, s.CellOverhead = 1+r.Uint64N(60), r.Uint64N(6)
		}
		if r.IntN(3) == 0 {
			s.QueuePackets = 1 + r.Uint64N(60)
		}
		if r.IntN(3) == 0 {
			s.QueueBytes = 1 + r.Uint64N(60_000)
		}
		if r.IntN(3) == 0 {
			s.QueueTime = policy.Time(r.Uint64N(1 << r.Uint64N(30)))
		}
		if r.IntN(3) == 0 {
			s.QueueMark = policy.Time(1 + r.Uint64N(1<<r.Uint64N(26)))
		}
	}
	switch r.IntN(4) {
	case 0:
		s.Behind = 1 + uint32(r.UintN(5))
	case 1:
		least := 20*microsecond + policy.Time(r.Uint64N(1<<r.Uint64N(24)))
		more := r.Uint64N(1 << r.Uint64N(24))
		seed := r.Uint64()
		s.SlotLength = func(k uint64) policy.Time {
			return least + policy.Time(policy.Subseed(seed, k)%(more+1))
		}
		s.SlotEpoch, s.SlotMean = now, max(1, least+policy.Time(more/2))
		s.SlotPackets, s.SlotBytes = r.Uint64N(10), r.Uint64N(20_000)
	}
	return s
}

// act does something random to a pair; what, below 40, says of which kind.
func (p *pair) act(r *rand.Rand, what int) {
	switch {
	case what == 0:
		p.set(randomSettings(r, p.now))
	case what < 20:
		p.goOn(policy.Time(r.Uint64N(1 << r.Uint64N(26))))
	default:
		packets, size := 1, 1+r.IntN(1400)
		if r.IntN(3) == 0 {
			packets += r.IntN(45)
		}
		s := p.model.s
		behind := uint32(0)
		if s.Behind > 0 && r.IntN(4) == 0 {
			behind = s.Behind
		}
		p.push(packets, size, 1+r.IntN(size), policy.Time(r.Uint64N(uint64(s.Longest)+1)), behind)
	}
}

// A line and its model let the same packets leave at the same times, whatever happens.
func TestOracle(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			p := newPair(t, randomSettings(r, 0))
			for range 150 {
				p.act(r, r.IntN(40))
			}
			p.set(line.Settings{})
			p.goOn(0)
			if packets, _ := p.line.Held(); packets != 0 {
				t.Errorf("%d packets are held by pass", packets)
			}
		})
	}
}
