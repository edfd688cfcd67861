package lab

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", 12345: "12,345", 100_000: "100,000", 1_234_567: "1,234,567",
	} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %q, want %q", n, got, want)
		}
	}
	if one, many := packets(1), packets(2000); one != "1 packet" || many != "2,000 packets" {
		t.Errorf("%q, %q", one, many)
	}
}

func TestColours(t *testing.T) {
	term := openTerminal(t)
	t.Setenv("NO_COLOR", "")
	if p := newPrinter(term.slave); !p.colour || p.paint(green, "ok") != "\x1b[32mok\x1b[0m" {
		t.Error("no colours on a terminal")
	}
	if newPrinter(&bytes.Buffer{}).colour {
		t.Error("colours where there is no terminal")
	}
	t.Setenv("NO_COLOR", "1")
	if p := newPrinter(term.slave); p.colour || p.paint(green, "ok") != "ok" {
		t.Error("colours in spite of NO_COLOR")
	}
}

func TestWordsFitATerminal(t *testing.T) {
	var out bytes.Buffer
	p := newPrinter(&out)
	welcome(p)
	hint(p)
	farewell(p)
	for _, line := range strings.Split(out.String(), "\n") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.Contains(out.String(), "%!") {
		t.Errorf("a format is wrong:\n%s", out.String())
	}
}

func TestCycleDistance(t *testing.T) {
	c := cycle{on: 200, off: 100}
	for _, tt := range []struct{ phase, slack, want time.Duration }{
		{0, 0, 0}, {1, 0, 1}, {100, 0, 100}, {190, 0, 10}, {200, 0, 0}, {230, 0, 30}, {250, 0, 50}, {299, 0, 1},
		{0, 20, 0}, {20, 20, 0}, {21, 20, 1}, {220, 20, 0}, {230, 20, 10}, {199, 20, 1}, {299, 20, 1},
	} {
		if got := c.distance(tt.phase, tt.slack); got != tt.want {
			t.Errorf("phase %d, slack %d: %d, want %d", tt.phase, tt.slack, got, tt.want)
		}
	}
}

// A packet that was sent late, or came late, tells nothing of an edge.
func TestCycleIsFair(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name           string
		sent, received []time.Duration
		want           bool
	}{
		{"in time", []time.Duration{0, 20 * ms, 40 * ms}, []time.Duration{0, never, 60 * ms}, true},
		{"sent late", []time.Duration{0, 21 * ms}, []time.Duration{0, 21 * ms}, false},
		{"came late", []time.Duration{0, 1 * ms}, []time.Duration{0, 22 * ms}, false},
		{"refused", []time.Duration{0, never, 10 * ms}, []time.Duration{0, never, 10 * ms}, true},
	} {
		m := measurement{result: &probe.Result{SentAt: tt.sent, ReceivedAt: tt.received}}
		if got := (cycle{}).fair(m); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestTimeline(t *testing.T) {
	r := &probe.Result{SentAt: []time.Duration{0, 5, 10, 15, never, 35}, ReceivedAt: []time.Duration{0, 5, never, 15, never, 35}}
	// The second column has one of two, the third nobody sent in.
	if got := timeline(r, 10); got != "█▁▁█" {
		t.Errorf("got %s", got)
	}
}
