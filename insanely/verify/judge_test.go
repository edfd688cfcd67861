package verify

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// wrong are policies, and what a device that is wrong by 2 % would do instead: of the larger of the
// two shares that a stage has, of its time, of its rate; of mean runs it is 10 % (doc.go).
var wrong = []struct {
	asked, does string
	gap         time.Duration // between packets
	many        bool          // it takes so many packets that the race detector would take too long
}{
	{"percent 95", "percent 93.1", time.Millisecond, false},
	{"percent 95", "percent 96.9", time.Millisecond, false},
	{"percent 50", "percent 51", time.Millisecond, true},
	{"percent 99.9", "percent 97.9", time.Millisecond, false},
	{"pass", "percent 98", time.Millisecond, false},
	{"percent 95", "percent 95 run 1.3", time.Millisecond, false},
	{"percent 80 run 3", "percent 81.6 run 3", time.Millisecond, true},
	{"percent 80 run 3", "percent 80 run 3.3", time.Millisecond, true},
	{"gemodel 2 20", "gemodel 2.45 20", time.Millisecond, true},
	{"gemodel 5 30 70 1", "gemodel 5 24.5 70 1", time.Millisecond, true},
	{"state 5 30 30 20 5", "state 6.5 30 30 20 5", time.Millisecond, true},
	{"every 50", "every 49", time.Millisecond, false},
	{"exactly 5 of 50", "exactly 5 of 49", time.Millisecond, false},
	{"percent 90 every 10", "percent 88.2 every 10", time.Millisecond, true},
	{"time 500ms 250ms", "time 500ms 265ms", time.Millisecond, false},
	{"duplicate 10", "duplicate 11.8", time.Millisecond, false},
	{"duplicate 10 copies 2", "duplicate 10 copies 3", time.Millisecond, false},
	{"corrupt 5", "corrupt 6.9", time.Millisecond, false},
	{"percent 90 ecn", "percent 88.2 ecn", time.Millisecond, true},
	{"percent 90 ecn", "percent 90", time.Millisecond, true},
	{"delay 20ms", "delay 19.6ms", time.Millisecond, false},
	{"delay 20ms", "delay 20.5ms", time.Millisecond, false},
	{"delay 20ms jitter 10ms each reordering", "delay 19.6ms jitter 10ms each reordering", time.Millisecond, true},
	{"delay 20ms jitter 5ms normal each reordering", "delay 20.4ms jitter 5ms normal each reordering", time.Millisecond, true},
	{"delay 20ms jitter 4ms pareto each reordering", "delay 20ms jitter 4ms normal each reordering", time.Millisecond, true},
	{"delay 20ms jitter 5ms correlation 50 reordering", "delay 19.6ms jitter 5ms correlation 50 reordering", time.Millisecond, true},
	{"delay 20ms jitter 2ms normal", "delay 19.6ms jitter 2ms normal", time.Millisecond, true},
	{"delay 20ms", "delay 20ms reorder 2 by 3", time.Millisecond, false},
	{"rate 10mbit", "rate 10.2mbit", 700 * time.Microsecond, false},
	{"rate 10mbit", "rate 9.8mbit", 700 * time.Microsecond, false},
	{"rate 10mbit queue 50ms", "rate 10mbit queue 52.5ms", 700 * time.Microsecond, false},
	{"reorder 5", "reorder 6.9", time.Millisecond, false},
	{"reorder 5 by 3", "reorder 5 by 2", time.Millisecond, false},
}

// enough returns how many packets it takes until no line says that there are too few.
func enough(t *testing.T, text string, gap time.Duration) int {
	t.Helper()
	for n := 512; ; n += n / 2 {
		few := false
		for _, l := range judged(t, text, simulate(t, text, n, 0, gap.Nanoseconds())) {
			few = few || l.Verdict == Few
		}
		if !few {
			return n
		}
		if n > 1<<25 {
			t.Fatalf("%s: %d packets are too few", text, n)
		}
	}
}

func judged(t *testing.T, text string, seen Seen) []Line {
	t.Helper()
	lines, _, err := Judge(text, seen)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// blamed returns the first line that differs.
func blamed(lines []Line) (Line, bool) {
	for _, l := range lines {
		if l.Verdict == Differs {
			return l, true
		}
	}
	return Line{}, false
}

// runs is how many seeds a test tries with traces of so many packets: INSANE_SEEDS, or a few.
func runs(packets int) int {
	if n, err := strconv.Atoi(os.Getenv("INSANE_SEEDS")); err == nil {
		return n
	}
	return 1 + 20_000/packets
}

// A device that does what it was asked for is never blamed, and one that is wrong by 2 % always,
// or by 299 seeds of 300, from as many packets as verify says that it takes.
func TestFindsErrors(t *testing.T) {
	for _, w := range wrong {
		if w.many && raced {
			continue // .ci/test runs them without the race detector
		}
		t.Run(w.asked+" is "+w.does, func(t *testing.T) {
			t.Parallel()
			n, missed := enough(t, w.asked, w.gap), 0
			all := runs(n)
			for seed := range uint64(all) {
				if l, bad := blamed(judged(t, w.asked, simulate(t, w.asked, n, seed, w.gap.Nanoseconds()))); bad {
					t.Errorf("seed %d: blamed for nothing: %+v", seed, l)
				}
				if _, bad := blamed(judged(t, w.asked, simulate(t, w.does, n, 1000+seed, w.gap.Nanoseconds()))); !bad {
					missed++
				}
			}
			if missed > all/300 {
				t.Errorf("%d of %d runs of %d packets went by", missed, all, n)
			}
			t.Logf("%d packets; missed %d of %d", n, missed, all)
		})
	}
}
