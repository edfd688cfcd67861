package line_test

import (
	"testing"

	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

// flood pushes packets of 125 Ethernet bytes at one moment, and returns how many the line keeps of
// how many.
func flood(l *line.Line, at policy.Time, packets int) (kept int) {
	for range packets {
		n, _ := l.Push(&line.Item{Frame: plain('a', 125), Arrival: at})
		kept += n
	}
	return kept
}

// Of a flood, the queue keeps what it has room for, and one packet is on the link. A packet takes
// a millisecond.
func TestQueueLimits(t *testing.T) {
	for _, test := range []struct {
		s    line.Settings
		want int
	}{
		{line.Settings{QueuePackets: 1}, 2},
		{line.Settings{QueuePackets: 10}, 11},
		{line.Settings{QueueBytes: 124}, 1},
		{line.Settings{QueueBytes: 125}, 2},
		{line.Settings{QueueBytes: 1250}, 11},
		{line.Settings{QueueTime: millisecond - 1}, 1},
		{line.Settings{QueueTime: millisecond}, 2},
		{line.Settings{QueueTime: 10 * millisecond}, 11},
		{line.Settings{QueueTime: 11*millisecond - 1}, 11},
		{line.Settings{QueuePackets: 10, QueueBytes: 500}, 5},
	} {
		test.s.Rate = 1_000_000
		l := open(test.s)
		if got := flood(l, 0, 50); got != test.want {
			t.Errorf("%+v keeps %d, want %d", test.s, got, test.want)
		}
		if test.s.QueueTime%millisecond != 0 {
			continue
		}
		// When the first has left, there is room for one more, and not before.
		if got := flood(l, millisecond-1, 1); got != 0 {
			t.Errorf("%+v keeps %d more, with a packet on the link", test.s, got)
		}
		if got := flood(l, millisecond, 2); got != 1 {
			t.Errorf("%+v keeps %d more, want 1", test.s, got)
		}
	}
}

// Of a super-frame, the first packets are kept, as if they came alone.
func TestQueueCutsSupers(t *testing.T) {
	l := open(line.Settings{Rate: 1_000_000, QueuePackets: 3})
	f, layout := inspected(t, super(10, 83, 1)) // 125 Ethernet bytes each
	if kept, why := l.Push(&line.Item{Frame: f, Layout: &layout}); kept != 4 || why != line.QueueFull {
		t.Errorf("kept %d, %d", kept, why)
	}
	if packets, bytes := l.Held(); packets != 4 || bytes != 500 {
		t.Errorf("held are %d packets, %d bytes", packets, bytes)
	}
	for i := range 4 {
		p, ok := l.Pop(second)
		number, _ := numberOf(p.Frame)
		if !ok || p.Due != policy.Time(i+1)*millisecond || int(number) != i || p.Last != (i == 3) {
			t.Errorf("packet %d left at %d, last %v", number, p.Due, p.Last)
		}
	}
}

// An admitted packet finds room in any queue, and takes room from others. It waits for the link as they do.
func TestAdmitted(t *testing.T) {
	l := open(line.Settings{Rate: 1_000_000, QueuePackets: 3})
	f, layout := inspected(t, super(10, 83, 83)) // 125 Ethernet bytes each
	if kept, why := l.Push(&line.Item{Frame: f, Layout: &layout, Admitted: true}); kept != 10 || why != line.Taken {
		t.Errorf("kept %d, %d", kept, why)
	}
	if got := flood(l, 0, 5); got != 0 {
		t.Errorf("%d others are kept", got)
	}
	push(t, l, line.Item{Frame: f, Layout: &layout, Admitted: true})
	for i := range 20 {
		if p, ok := l.Pop(second); !ok || p.Due != policy.Time(i+1)*millisecond {
			t.Errorf("packet %d left at %d", i, p.Due)
		}
	}
}

// Packets that begin behind more than the mark are marked, if they are capable; one that begins
// at the mark is not.
func TestQueueMark(t *testing.T) {
	l := open(line.Settings{Rate: 1_000_000, QueueMark: 3 * millisecond})
	f, layout := inspected(t, super(10, 83, 83))
	push(t, l, line.Item{Frame: f, Layout: &layout})
	push(t, l, line.Item{Frame: plain('a', 125)})
	for i := range 11 {
		p, ok := l.Pop(second)
		if !ok || p.Marked != (i > 3 && i < 10) {
			t.Errorf("packet %d is marked: %v", i, p.Marked)
		}
	}
}

// A part is what the link takes within 50 microseconds, and leaves with its last packet.
func TestParts(t *testing.T) {
	l := open(line.Settings{Rate: 1_000_000_000}) // 1250 bytes take 10 µs
	f, layout := inspected(t, super(12, 1208, 1208))
	push(t, l, line.Item{Frame: f, Layout: &layout})
	for i, want := range []struct {
		packets int
		due     policy.Time
	}{{5, 50 * microsecond}, {5, 100 * microsecond}, {2, 120 * microsecond}} {
		if early, ok := l.Pop(want.due - 1); ok {
			t.Errorf("part %d with %d packets left early", i, early.Packets)
		}
		p, ok := l.Pop(want.due)
		if !ok || p.Packets != want.packets || p.Due != want.due {
			t.Errorf("part %d has %d packets, due %d; want %v", i, p.Packets, p.Due, want)
		}
	}
}

// A rate that divides no second evenly does not drift: each packet leaves in the first whole
// nanosecond in which it has passed.
func TestRateDoesNotDrift(t *testing.T) {
	l := open(line.Settings{Rate: 7_000_003})
	now := policy.Time(0)
	const packets, bits = 200_000, 8 * 61
	for i := range uint64(packets) {
		push(t, l, line.Item{Frame: plain('a', 61), Arrival: 0})
		p, ok := l.Pop(never)
		l.Release()
		want := policy.Time(((i+1)*bits*1_000_000_000 + 7_000_002) / 7_000_003)
		if !ok || p.Due != want {
			t.Fatalf("packet %d left at %d, want %d", i, p.Due, want)
		}
		now = p.Due
	}
	if now == 0 {
		t.Error("nothing left")
	}
}

// Each second of a year a link carries its rate, with 100 packets in its queue.
func TestRateForAYear(t *testing.T) {
	const hour = 3600 * second
	l := open(line.Settings{Rate: 1_000_000, QueuePackets: 100, Longest: 20 * millisecond})
	for now := policy.Time(0); now < 365*24*hour; now += 7 * hour {
		for range 101 {
			push(t, l, line.Item{Frame: plain('a', 125), Arrival: now, Delay: 20 * millisecond})
		}
		_, dues := leaves(l, now+second)
		for i, due := range dues {
			if due != now+policy.Time(i+1)*millisecond+20*millisecond {
				t.Fatalf("at %d: packet %d left at %d", now, i, due)
			}
		}
		if len(dues) != 101 {
			t.Fatalf("at %d: %d left", now, len(dues))
		}
	}
}
