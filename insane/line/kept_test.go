package line_test

import (
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

// packetsOf is how many packets a test sends through a line: INSANE_PACKETS, or usual.
func packetsOf(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("INSANE_PACKETS")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("INSANE_PACKETS=%q: want a whole number above 0", text)
	}
	return n
}

// left is a packet that has left a line.
type left struct {
	number              uint64
	arrival, due, drawn policy.Time
}

// through sends packets of one verdict each through a line, one every spacing, and calls f for
// each one that leaves, in order.
func through(t *testing.T, text string, packets int, spacing policy.Time, f func(left)) {
	t.Helper()
	const epoch = 7 * second
	p := program(t, text, epoch)
	l := line.New(line.Options{Memory: line.NewMemory(1<<30, nil)})
	l.SetProgram(epoch, p)
	pop := func(now policy.Time) {
		for part, ok := l.Pop(now); ok; part, ok = l.Pop(now) {
			n := part.Tag.Number
			at := epoch + policy.Time(n)*spacing
			f(left{number: n, arrival: at, due: part.Due, drawn: p.Decide(at, n).Delay})
		}
		l.Release()
	}
	it := line.Item{Frame: plain('a', 60)}
	for n := range uint64(packets) {
		it.Arrival, it.Tag.Number = epoch+policy.Time(n)*spacing, n
		v := p.Decide(it.Arrival, n)
		it.Delay, it.Behind = v.Delay, v.Behind
		push(t, l, it)
		pop(it.Arrival)
	}
	pop(never)
}

// Jitter that keeps order reorders nothing, and to keep it adds less than 6 % of the jitter to
// the mean, at every rate of packets: one in a slice, ten, and a hundred. The first packets of a
// slice wait for those before them: that is E[(D⁺)²] / 2 of a slice's length, where D is the
// difference of two draws, and D⁺ is 0 where D is negative. So a jitter of a tenth of the
// delay leaves the mean within 1 % of what was asked. With INSANE_PACKETS of 700,000 or more that is
// compared, too; fewer packets have too few slices to tell.
func TestJitterKeepsOrder(t *testing.T) {
	packets := packetsOf(t, 20_000)
	const asked, jitter = 1e6, 1e5
	for _, shape := range []string{"uniform", "normal", "pareto", "paretonormal"} {
		for _, rate := range []policy.Time{1_000, 10_000, 100_000} {
			next, mean, drawn := uint64(0), 0.0, 0.0
			through(t, "delay 1ms jitter 100us "+shape, packets, second/rate, func(p left) {
				if p.number != next {
					t.Fatalf("%s, %d packets a second: %d left where %d should", shape, rate, p.number, next)
				}
				next++
				mean += float64(p.due-p.arrival) / float64(packets)
				drawn += float64(p.drawn) / float64(packets)
			})
			t.Logf("%s, %d packets a second: mean %.2f µs, drawn %.2f", shape, rate, mean/1e3, drawn/1e3)
			if next != uint64(packets) || mean < drawn-1 || mean > drawn+0.06*jitter {
				t.Errorf("%s, %d packets a second: %d left, their mean is %.0f ns, that of their draws %.0f", shape, rate, next, mean, drawn)
			}
			if packets >= 700_000 && math.Abs(mean-asked) > asked/100 {
				t.Errorf("%s, %d packets a second: the mean is %.0f ns, asked was %.0f", shape, rate, mean, asked)
			}
		}
	}
}

// Each packet that is reordered leaves behind exactly as many later ones as was asked, of those
// that are not.
func TestReorderExtent(t *testing.T) {
	packets := packetsOf(t, 20_000)
	for text, extent := range map[string]int{"reorder 3": 1, "reorder 3 by 5": 5, "reorder 10 by 40 delay 10ms": 40} {
		p := program(t, text, 0)
		ordinary := make([]int, packets+1) // how many packets below a number are not reordered
		for n := range packets {
			ordinary[n+1] = ordinary[n] + 1
			if p.Decide(0, uint64(n)).Behind != 0 {
				ordinary[n+1]--
			}
		}
		passed, moved, last := 0, 0, -1
		through(t, text, packets, 10*microsecond, func(q left) {
			n := int(q.number)
			if ordinary[n+1] > ordinary[n] {
				if n < last {
					t.Fatalf("%s: %d left behind %d", text, n, last)
				}
				last = n
				passed++
				return
			}
			moved++
			want := min(extent, ordinary[packets]-ordinary[n]) // fewer follow the last ones
			if got := passed - ordinary[n]; got != want {
				t.Fatalf("%s: packet %d left behind %d later ones, want %d", text, n, got, want)
			}
		})
		if moved == 0 || moved+passed != packets {
			t.Errorf("%s: %d reordered and %d others left, want %d", text, moved, passed, packets)
		}
	}
}
