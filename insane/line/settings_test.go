package line_test

import (
	"testing"

	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

// program compiles a policy.
func program(t *testing.T, text string, now policy.Time) *policy.Program {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	prog := p.Compile(now, 1)
	return &prog
}

// A packet takes the time on the link that the program says.
func TestLinkTimeIsThePrograms(t *testing.T) {
	for _, text := range []string{
		"rate 10mbit", "rate 7kbit overhead 20", "rate 100mbit overhead -14", "rate 3mbit cell 48 overhead 5",
		"rate 1gbit overhead 8 cell 48 overhead 5", "rate 999999937bit",
	} {
		p := program(t, text, 0)
		for bytes := 14; bytes < 1600; bytes += 31 {
			l := line.New(line.Options{Memory: line.NewMemory(1<<30, nil)})
			l.SetProgram(0, p)
			push(t, l, line.Item{Frame: plain('a', bytes)})
			want, rest := p.LinkTime(uint64(bytes), 0)
			if rest > 0 {
				want++
			}
			if _, dues := leaves(l, never); dues[0] != want {
				t.Fatalf("%s: %d bytes leave at %d, want %d", text, bytes, dues[0], want)
			}
		}
	}
}

// The settings of a policy reach the line: its words, and the times at which 5 packets leave, of
// 125 bytes that arrive at once.
func TestSettingsOf(t *testing.T) {
	const now = 7 * second
	for _, test := range []struct {
		text string
		want string // names of those that leave at once, then within 100 ms, then later
	}{
		{"pass", "abcde||"},
		{"delay 10ms", "|abcde|"},
		{"delay 200ms", "||abcde"},
		{"rate 1mbit", "|abcde|"},
		{"rate 1mbit queue 2", "|abc|"},
		{"rate 1mbit queue 125B", "|ab|"},
		{"rate 1mbit queue 3ms", "|abcd|"},
		{"rate 10kbit", "||ab"}, // the usual queue is 100 ms
		{"reorder 100", "||abcde"},
		{"slot 50ms packets 2", "ab|cd|e"},
	} {
		p := program(t, test.text, now)
		l := line.New(line.Options{Memory: line.NewMemory(1<<30, nil)})
		l.SetProgram(now, p)
		for i := range uint64(5) {
			v := p.Decide(now, i)
			l.Push(&line.Item{Frame: plain(byte('a'+i), 125), Arrival: now, Delay: v.Delay, Behind: v.Behind})
		}
		atOnce, _ := leaves(l, now)
		soon, _ := leaves(l, now+100*millisecond-1)
		later, _ := leaves(l, never)
		if got := atOnce + "|" + soon + "|" + later; got != test.want {
			t.Errorf("%s: %s, want %s", test.text, got, test.want)
		}
	}
}

// With each kind of jitter packets leave when the program says, and in order unless it says
// otherwise.
func TestJitter(t *testing.T) {
	for _, text := range []string{
		"delay 40ms jitter 10ms", "delay 40ms jitter 10ms normal each", "delay 40ms jitter 10ms pareto every 5ms",
		"delay 40ms jitter 10ms uniform each reordering",
	} {
		p := program(t, text, 0)
		l := line.New(line.Options{Memory: line.NewMemory(1<<30, nil)})
		l.SetProgram(0, p)
		const packets = 5000
		own := make([]policy.Time, packets)
		for i := range own {
			at := policy.Time(i) * 50 * microsecond
			v := p.Decide(at, uint64(i))
			own[i] = at + v.Delay
			push(t, l, line.Item{Frame: plain('a', 60), Arrival: at, Delay: v.Delay, Tag: line.Tag{Number: uint64(i)}})
		}
		overtook, seen := 0, uint64(0)
		latest := policy.Time(0)
		for part, ok := l.Pop(never); ok; part, ok = l.Pop(never) {
			n := part.Tag.Number
			latest = max(latest, own[n])
			if want := own[n]; p.Reorders() && part.Due != want || !p.Reorders() && part.Due != latest {
				t.Fatalf("%s: packet %d left at %d, drawn is %d", text, n, part.Due, want)
			}
			if n < seen {
				overtook++
			}
			seen = max(seen, n)
		}
		if got, want := overtook > 0, p.Reorders(); got != want {
			t.Errorf("%s: %d packets were overtaken", text, overtook)
		}
	}
}
