package line_test

import (
	"testing"

	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

// behind is an item that lets k later packets pass.
func behind(name byte, at policy.Time, k uint32) line.Item {
	return line.Item{Frame: plain(name, 60), Arrival: at, Behind: k}
}

// A packet leaves when exactly K later ones have left, whatever else is aside.
func TestBehind(t *testing.T) {
	l := open(line.Settings{Behind: 3})
	for i, name := range []byte("aBcDefghi") {
		k := uint32(0)
		if name < 'a' {
			k = 3
		}
		push(t, l, behind(name, policy.Time(i), k))
	}
	// B: c, e, f are later. D: e, f, g.
	if got, _ := leaves(l, 8); got != "acefBgDhi" {
		t.Errorf("%s left", got)
	}
}

// A packet that is aside does not wait for longer than 100 ms, and leaves then.
func TestBehindNothing(t *testing.T) {
	l := open(line.Settings{Behind: 2, Longest: 5})
	push(t, l, line.Item{Frame: plain('A', 60), Arrival: 10, Delay: 5, Behind: 2})
	push(t, l, line.Item{Frame: plain('b', 60), Arrival: 20, Delay: 5})
	if got, _ := leaves(l, 100*millisecond+14); got != "b" {
		t.Errorf("%q left early", got)
	}
	if at, _ := l.Next(); at != 100*millisecond+15 {
		t.Errorf("next is %d", at)
	}
	got, dues := leaves(l, second)
	if got != "A" || dues[0] != 100*millisecond+15 {
		t.Errorf("%q left at %d", got, dues)
	}
}

// A packet whose patience ends leaves before one that is due at that moment.
func TestBehindFirst(t *testing.T) {
	l := open(line.Settings{Behind: 9})
	push(t, l, behind('A', 0, 9))
	push(t, l, behind('b', 100*millisecond, 0))
	if got, _ := leaves(l, 100*millisecond); got != "Ab" {
		t.Errorf("%s left", got)
	}
}

// A super-frame is cut where a packet that is aside comes back.
func TestBehindCutsSupers(t *testing.T) {
	l := open(line.Settings{Behind: 3})
	push(t, l, line.Item{Frame: super(1, 100, 100), Behind: 3, Tag: line.Tag{Number: 1}})
	f, layout := inspected(t, super(5, 100, 100))
	push(t, l, line.Item{Frame: f, Layout: &layout, Tag: line.Tag{Number: 2}})
	want := []struct {
		number  uint64
		packets int
		last    bool
	}{{2, 3, false}, {1, 1, true}, {2, 2, true}}
	for _, w := range want {
		p, ok := l.Pop(0)
		if !ok || p.Tag.Number != w.number || p.Packets != w.packets || p.Last != w.last {
			t.Errorf("%d packets of %d, last %v; want %v", p.Packets, p.Tag.Number, p.Last, w)
		}
	}
}

// Without reordering, a packet with a shorter delay waits for those in front of it; with it, it
// does not. Packets that are due at one moment leave in the order in which they came.
func TestOrder(t *testing.T) {
	for _, test := range []struct {
		reordering bool
		want       string
	}{{false, "abcd"}, {true, "bcad"}} {
		l := open(line.Settings{Longest: 100, Reordering: test.reordering})
		for i, delay := range []policy.Time{50, 10, 9, 50} {
			push(t, l, line.Item{Frame: plain("abcd"[i], 60), Arrival: policy.Time(i), Delay: delay})
		}
		if got, _ := leaves(l, 100); got != test.want {
			t.Errorf("reordering %v: %s left, want %s", test.reordering, got, test.want)
		}
	}
}

// The wire opens every 10 ms, for two packets or 200 bytes.
func TestSlots(t *testing.T) {
	for _, test := range []struct {
		packets, bytes uint64
		want           []policy.Time // in ms
	}{
		{0, 0, []policy.Time{0, 10, 10, 10, 10, 20}},
		{2, 0, []policy.Time{0, 10, 10, 20, 20, 30}},
		{0, 200, []policy.Time{0, 10, 10, 10, 20, 20}},
		{0, 1, []policy.Time{0, 10, 20, 30, 40, 50}},
	} {
		l := open(line.Settings{
			SlotLength: func(uint64) policy.Time { return 10 * millisecond }, SlotMean: 10 * millisecond,
			SlotPackets: test.packets, SlotBytes: test.bytes,
		})
		for i, at := range []policy.Time{0, 1, 2, 3, 4, 15} {
			push(t, l, line.Item{Frame: plain(byte('a'+i), 60), Arrival: at * millisecond})
		}
		got, dues := leaves(l, second)
		if got != "abcdef" {
			t.Errorf("%d packets, %d bytes: %s left", test.packets, test.bytes, got)
		}
		for i, due := range dues {
			if due != test.want[i]*millisecond {
				t.Errorf("%d packets, %d bytes: left at %d, want %d", test.packets, test.bytes, dues, test.want)
				break
			}
		}
	}
}

// Of a super-frame, as many packets leave at an opening as it has bytes for, also if only the last
// one is short enough.
func TestSlotsCutSupers(t *testing.T) {
	l := open(line.Settings{
		SlotLength: func(uint64) policy.Time { return second }, SlotMean: second, SlotBytes: 330,
	})
	f, layout := inspected(t, super(6, 58, 18)) // 100 Ethernet bytes each, the last 60
	push(t, l, line.Item{Frame: f, Layout: &layout})
	var got []int
	for p, ok := l.Pop(second); ok; p, ok = l.Pop(second) {
		got = append(got, p.Packets)
	}
	if len(got) != 2 || got[0] != 3 || got[1] != 3 {
		t.Errorf("parts of %d packets left", got)
	}
	l.Set(second, line.Settings{SlotLength: func(uint64) policy.Time { return second }, SlotMean: second, SlotEpoch: second, SlotBytes: 365})
	f, layout = inspected(t, super(4, 58, 18))
	push(t, l, line.Item{Frame: f, Layout: &layout, Arrival: second})
	if p, ok := l.Pop(second); !ok || p.Packets != 4 {
		t.Errorf("%d packets left, want 4", p.Packets)
	}
}

// Openings follow from the time alone: a line that has seen no packet for a year opens at the same
// moments as one that was busy.
func TestSlotsAfterAYear(t *testing.T) {
	const year = 365 * 24 * 3600 * second
	s := line.Settings{
		SlotLength: func(k uint64) policy.Time {
			return 5*millisecond + policy.Time(policy.Subseed(1, k)%uint64(10*millisecond))
		},
		SlotMean: 10 * millisecond,
	}
	idle, busy := open(s), open(s)
	for at := year; at < year+30*second; at += 3 * millisecond {
		push(t, busy, line.Item{Frame: plain('a', 60), Arrival: at})
		_, dues := leaves(busy, never)
		if at%(8*second+millisecond) > 3*millisecond {
			continue
		}
		push(t, idle, line.Item{Frame: plain('a', 60), Arrival: at})
		if _, got := leaves(idle, never); got[0] != dues[0] || got[0] < at || got[0] > at+15*millisecond {
			t.Fatalf("at %d: opens at %d and %d", at, got[0], dues[0])
		}
	}
}

const never = policy.Time(1) << 62
