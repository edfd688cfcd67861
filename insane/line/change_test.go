package line_test

import (
	"slices"
	"testing"

	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

// thousand is a line in which 1000 packets wait, one for each microsecond, for a delay.
func thousand(t *testing.T, delay policy.Time) *line.Line {
	t.Helper()
	l := open(line.Settings{Longest: delay})
	for i := range policy.Time(1000) {
		push(t, l, line.Item{Frame: plain('a', 60), Arrival: i * microsecond, Delay: delay, Tag: line.Tag{Number: uint64(i)}})
	}
	return l
}

// A change to another delay lets nothing wait longer than it would if it came now, does not touch
// what waits less, and keeps the order, also with what comes behind it.
func TestChangeOfDelay(t *testing.T) {
	const now = millisecond
	for _, test := range []struct{ to, first, last, next policy.Time }{
		{0, now, now, now},
		{50 * millisecond, now + 50*millisecond, now + 50*millisecond, now + 50*millisecond},
		{200 * millisecond, 100 * millisecond, 100*millisecond + 999*microsecond, now + 200*millisecond},
	} {
		l := thousand(t, 100*millisecond)
		l.Set(now, line.Settings{Longest: test.to})
		// This one has arrived before the change, and was read behind it.
		push(t, l, line.Item{Frame: plain('b', 60), Arrival: now - 1, Delay: test.to, Tag: line.Tag{Number: 1000}})
		var dues []policy.Time
		for p, ok := l.Pop(second); ok; p, ok = l.Pop(second) {
			if p.Tag.Number != uint64(len(dues)) {
				t.Fatalf("to %d: packet %d leaves as number %d", test.to, p.Tag.Number, len(dues))
			}
			dues = append(dues, p.Due)
		}
		if len(dues) != 1001 || dues[0] != test.first || dues[999] != test.last || !slices.IsSorted(dues) {
			t.Errorf("to %d: %d packets left from %d to %d", test.to, len(dues), dues[0], dues[999])
		}
		if got := dues[1000]; got != max(test.next-1, test.last) {
			t.Errorf("to %d: the next packet leaves at %d", test.to, got)
		}
	}
}

// A queue goes on at the new rate, with what is left of the packet on the link. A packet takes a
// millisecond at the old rate.
func TestChangeOfRate(t *testing.T) {
	for _, test := range []struct {
		rate uint64
		want []policy.Time // in µs
	}{
		{2_000_000, []policy.Time{1000, 1750, 2250, 2750}}, // half of the second packet is carried
		{500_000, []policy.Time{1000, 2500, 4500, 6500}},
		{0, []policy.Time{1000, 1500, 1500, 1500}},
	} {
		l := open(line.Settings{Rate: 1_000_000})
		if flood(l, 0, 4) != 4 {
			t.Fatal("the queue is full")
		}
		l.Set(1500*microsecond, line.Settings{Rate: test.rate})
		_, dues := leaves(l, second)
		for i := range dues {
			dues[i] /= microsecond
		}
		if !slices.Equal(dues, test.want) {
			t.Errorf("at %d bit/s: left at %d, want %d", test.rate, dues, test.want)
		}
	}
}

// Each other fault ends at once for what is held when it is no more, and order is kept.
func TestChangeToPass(t *testing.T) {
	for name, s := range map[string]line.Settings{
		"aside":  {Behind: 5},
		"slots":  {SlotLength: func(uint64) policy.Time { return second }, SlotMean: second},
		"jitter": {Longest: second, Reordering: true},
	} {
		l := open(s)
		for i, n := range "abc" {
			it := line.Item{Frame: plain(byte(n), 60), Arrival: policy.Time(1 + i)}
			switch name {
			case "aside":
				it.Behind = 5
			case "jitter":
				it.Delay = second - policy.Time(i)*100
			}
			push(t, l, it)
		}
		if got, _ := leaves(l, 10); got != "" {
			t.Errorf("%s: %s left early", name, got)
		}
		l.Set(20, line.Settings{})
		got, dues := leaves(l, 20)
		if got != "abc" || dues[0] > 20 || dues[2] > 20 {
			t.Errorf("%s: %s left at %d", name, got, dues)
		}
	}
}

// A thousand changes lose, double and reorder nothing.
func TestManyChanges(t *testing.T) {
	l := open(line.Settings{})
	seen, pushed, now := uint64(0), uint64(0), policy.Time(0)
	settings := []line.Settings{
		{}, {Longest: millisecond}, {Longest: 50 * millisecond, Rate: 10_000_000}, {Rate: 100_000_000}, {Longest: 20 * millisecond},
	}
	for i := range 1000 {
		s := settings[i*7%len(settings)]
		l.Set(now, s)
		for range 50 {
			now += 20 * microsecond
			push(t, l, line.Item{Frame: plain('a', 125), Arrival: now, Delay: s.Longest, Tag: line.Tag{Number: pushed}})
			pushed++
			for p, ok := l.Pop(now); ok; p, ok = l.Pop(now) {
				if p.Tag.Number != seen || p.Due > now {
					t.Fatalf("packet %d left at %d, due %d; want %d", p.Tag.Number, now, p.Due, seen)
				}
				seen++
			}
			l.Release()
		}
	}
	l.Set(now, line.Settings{})
	for _, ok := l.Pop(now); ok; _, ok = l.Pop(now) {
		seen++
	}
	if seen != pushed {
		t.Errorf("%d of %d left", seen, pushed)
	}
}
