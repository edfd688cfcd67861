package verify

import (
	"slices"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insanely/verify/packet"
)

// sent is a packet in front of the device, at so many milliseconds, with a name of its own.
func sent(ms int64, name uint64) sighting {
	return sighting{at: ms * 1e6, id: packet.Identity{Name: name, Digest: name, Head: name, Body: name}, bytes: 100}
}

// later is the packet that came out so many milliseconds later.
func later(s sighting, ms int64) sighting {
	s.at += ms * 1e6
	return s
}

// paired pairs packets that are at most 100 ms in the device.
func paired(before []sighting, after ...sighting) *pairing {
	slices.SortStableFunc(after, func(a, b sighting) int { return int(a.at - b.at) })
	p := &pairing{before: before, after: after, hold: int64(100 * time.Millisecond), to: 1 << 60, damages: []bool{false, true}}
	p.pair()
	return p
}

// Losses, copies, order and delays are seen as they were.
func TestPairs(t *testing.T) {
	a, b, c, d := sent(1, 1), sent(2, 2), sent(3, 3), sent(4, 4)
	p := paired([]sighting{a, b, c, d}, later(a, 20), later(a, 25), later(c, 5), later(d, 6), sent(9, 99))
	want := []struct {
		out  uint16
		left int64
		rank uint32
	}{{2, 21, 2}, {0, 0, 0}, {1, 8, 0}, {1, 10, 1}}
	for i, w := range want {
		got := p.packets[i]
		if got.Out != w.out || got.Left != w.left*1e6 || got.Rank != w.rank || got.Alike || got.Damaged != 0 {
			t.Errorf("packet %d is %+v, want %+v", i, got, w)
		}
	}
	if p.unsent != 0 {
		t.Errorf("%d packets of nobody: those of the slave itself are none of the device's", p.unsent)
	}
}

// Packets that are the same are counted right, and said to be alike; if the first cannot be in the
// device any more, they are not.
func TestAlike(t *testing.T) {
	a := sent(1, 1)
	before := []sighting{a, later(a, 10), later(a, 20), later(a, 900)}
	p := paired(before, later(a, 30), later(a, 31), later(a, 910))
	out, alike := 0, 0
	for _, k := range p.packets {
		out += int(k.Out)
		if k.Alike {
			alike++
		}
	}
	if out != 3 || alike != 3 || p.packets[3].Out != 1 || p.packets[3].Left != 911*1e6 || p.packets[3].Alike {
		t.Errorf("%d came out, %d are alike: %+v", out, alike, p.packets)
	}
}

// A damaged packet is found by what is left of it, or counted for a lost one that it can be.
func TestDamagedPairs(t *testing.T) {
	var before []sighting
	for i := range int64(6) {
		s := sent(1+i, uint64(1+i))
		s.rule = 1 // whose policy damages packets
		before = append(before, s)
	}
	before[5].rule, before[4].bytes = 0, 300
	payload, head, late, none := later(before[0], 5), later(before[1], 5), later(before[2], 5), later(before[3], 5)
	payload.id.Name, payload.id.Digest, payload.id.Body = 50, 51, 52 // its first bytes
	head.id.Name, head.id.Digest, head.id.Head = 60, 61, 62
	late.id.Digest = 70
	none.id = packet.Identity{Name: 80, Digest: 81, Head: 82, Body: 83}
	for _, s := range []*sighting{&payload, &head, &none} {
		s.marks |= broken
	}
	p := paired(before, payload, head, late, none, later(before[4], 5))
	for i, want := range []uint16{1, 1, 1, 1, 0, 0} {
		if got := p.packets[i]; got.Damaged != want || got.Out != want && i != 4 {
			t.Errorf("packet %d is %+v", i, got)
		}
	}
	if p.guessed[1] != 1 || !p.packets[3].Alike || p.packets[0].Alike {
		t.Errorf("guessed are %v: %+v", p.guessed, p.packets)
	}
}

// A mark of congestion is one that the device has made.
func TestMarkedPairs(t *testing.T) {
	before := []sighting{sent(1, 1), sent(2, 2)}
	before[0].marks, before[1].marks = capable, capable|congested
	a, b := later(before[0], 1), later(before[1], 1)
	a.marks = capable | congested
	p := paired(before, a, b)
	if !p.packets[0].Marked || !p.packets[0].Capable || p.packets[1].Marked || p.packets[1].Capable {
		t.Errorf("%+v", p.packets)
	}
}
