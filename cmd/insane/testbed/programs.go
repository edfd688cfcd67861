package testbed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// CheckRate fails if chance does not explain that relayed of count packets were relayed at
// this percentage. It does not use the engine.
func CheckRate(t testing.TB, count, relayed int, percent string) {
	t.Helper()
	p, err := strconv.ParseFloat(percent, 64)
	if err != nil {
		t.Fatal(err)
	}
	lo, hi := probe.Interval(uint64(count), p/100, probe.Alpha)
	if uint64(relayed) < lo || uint64(relayed) > hi {
		t.Errorf("relayed %d of %d packets; percent %s allows %d to %d", relayed, count, percent, lo, hi)
	}
}

// RequireProgram skips a test if a program is not installed. It fails instead if
// INSANE_ROOT says that the machine must be complete.
func RequireProgram(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("INSANE_ROOT") == "1" {
			t.Fatalf("INSANE_ROOT=1, but %s is not installed", name)
		}
		t.Skipf("needs %s", name)
	}
}

// Transcript keeps what a program writes while it runs.
type Transcript struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

// Write implements io.Writer.
func (s *Transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// String returns everything that was written so far.
func (s *Transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// Await waits until done returns true for the text of the program.
func (s *Transcript) Await(t testing.TB, what string, done func(text string) bool) {
	t.Helper()
	for deadline := time.Now().Add(Longest); !done(s.String()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("wait for %s, have:\n%s", what, s)
		}
	}
}

// Background starts a program in a host, with both outputs into the transcript. The program
// is killed when the test ends.
func Background(t testing.TB, h *lab.Host, name string, args ...string) (*lab.Cmd, *Transcript) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c, out := h.Command(ctx, name, args...), new(Transcript)
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = c.Wait() // again, if the test has waited
	})
	return c, out
}

// Tcpdump shows the packets on a link of a host that match a filter, one line for each; it
// shows packets from its return on. It captures headers only: its buffer holds just 32
// whole packets (libpcap, pcap-linux.c, create_ring), and more may come while tcpdump waits
// for a CPU.
func Tcpdump(t testing.TB, h *lab.Host, link, filter string, flags ...string) (*lab.Cmd, *Transcript) {
	t.Helper()
	args := append([]string{"-n", "-l", "--immediate-mode", "-s", "256", "-i", link}, flags...)
	c, out := Background(t, h, "tcpdump", append(args, filter)...)
	out.Await(t, "tcpdump", func(text string) bool { return strings.Contains(text, "listening on "+link) })
	return c, out
}

// Numbers finds the groups of a pattern in a text; all of them must be numbers.
func Numbers(t testing.TB, text, pattern string) (list []int) {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("want %s in:\n%s", pattern, text)
	}
	for _, group := range found[1:] {
		n, err := strconv.Atoi(group)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

const (
	// Pings is the number of requests that is enough to judge chance.
	Pings = 200

	// PingAttempts is how often ping may be repeated because it ended too early. On a busy
	// machine ping does not wait long enough for the last answers: only twice as long as
	// for earlier ones (ping(8), -W).
	PingAttempts = 5
)

// Dump is a running tcpdump.
type Dump struct {
	*lab.Cmd
	Out   *Transcript
	Link  string
	Shows *regexp.Regexp // the packets that count
}

// Check ends tcpdump and fails unless it saw exactly count packets.
func (d *Dump) Check(t testing.TB, count int) {
	t.Helper()
	seen := func() int { return len(d.Shows.FindAllString(d.Out.String(), -1)) }
	d.Out.Await(t, fmt.Sprintf("%d packets on %s", count, d.Link), func(string) bool { return seen() >= count })
	if err := d.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(); err != nil {
		t.Errorf("tcpdump on %s: %v", d.Link, err)
	}
	// A third number, of packets received by the filter, includes packets that came before
	// the filter was set.
	n := Numbers(t, d.Out.String(), `(\d+) packets? captured\s(?:.|\s)*?\s(\d+) packets? dropped by kernel`)
	if seen() != count || n[0] < count || n[1] != 0 {
		t.Errorf("tcpdump on %s shows %d packets (captured %d, dropped %d), want %d", d.Link, seen(), n[0], n[1], count)
	}
}
