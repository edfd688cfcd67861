package line_test

import (
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

const (
	microsecond policy.Time = 1000
	millisecond             = 1000 * microsecond
	second                  = 1000 * millisecond
)

// plain is a frame of one packet of this many Ethernet bytes, the first of which is name.
func plain(name byte, bytes int) frame.Frame {
	f := make(frame.Frame, frame.HeaderLen+bytes)
	f[frame.HeaderLen] = name
	return f
}

// open makes a line with settings.
func open(s line.Settings) *line.Line {
	l := line.New(line.Options{Memory: line.NewMemory(512<<20, nil)})
	l.Set(0, s)
	return l
}

// push pushes what must be taken.
func push(t *testing.T, l *line.Line, it line.Item) {
	t.Helper()
	if kept, why := l.Push(&it); why != line.Taken || kept < 1 {
		t.Fatalf("push kept %d packets: %d", kept, why)
	}
}

// leaves pops all that is due at a time, and returns the names and dues.
func leaves(l *line.Line, now policy.Time) (names string, dues []policy.Time) {
	for p, ok := l.Pop(now); ok; p, ok = l.Pop(now) {
		names += string(p.Frame[frame.HeaderLen])
		dues = append(dues, p.Due)
	}
	l.Release()
	return names, dues
}

// A packet leaves at its time, and not a nanosecond before.
func TestConstantDelay(t *testing.T) {
	l := open(line.Settings{Longest: 20 * millisecond})
	push(t, l, line.Item{Frame: plain('a', 60), Arrival: 5, Delay: 20 * millisecond})
	push(t, l, line.Item{Frame: plain('b', 60), Arrival: 7, Delay: 20 * millisecond})
	if at, ok := l.Next(); !ok || at != 20*millisecond+5 {
		t.Errorf("next is %d, %v", at, ok)
	}
	if got, _ := leaves(l, 20*millisecond+4); got != "" {
		t.Errorf("%s left early", got)
	}
	if got, _ := leaves(l, 20*millisecond+5); got != "a" {
		t.Errorf("%q left, want a", got)
	}
	if packets, bytes := l.Held(); packets != 1 || bytes != 60 {
		t.Errorf("held are %d packets, %d bytes", packets, bytes)
	}
	if got, _ := leaves(l, second); got != "b" {
		t.Errorf("%q left, want b", got)
	}
	if at, ok := l.Next(); ok {
		t.Errorf("next of an empty line is %d", at)
	}
}

// A link of 1 Mbit/s takes 8 microseconds a byte, and one packet after the other.
func TestRate(t *testing.T) {
	l := open(line.Settings{Rate: 1_000_000, Longest: millisecond})
	for i, name := range []byte("abc") {
		push(t, l, line.Item{Frame: plain(name, 125), Arrival: policy.Time(i), Delay: millisecond})
	}
	got, dues := leaves(l, second)
	if got != "abc" || dues[0] != 2*millisecond || dues[1] != 3*millisecond || dues[2] != 4*millisecond {
		t.Errorf("%s left at %d", got, dues)
	}
}
