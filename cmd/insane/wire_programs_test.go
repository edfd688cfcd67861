package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// requireProgram skips a test that needs a program which is not installed, or
// fails it where INSANE_ROOT promises a complete machine.
func requireProgram(t testing.TB, names ...string) {
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

// transcript is what a program writes while it runs.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until the program has written what done wants to see.
func (s *transcript) await(t testing.TB, what string, done func(text string) bool) {
	t.Helper()
	for deadline := time.Now().Add(longest); !done(s.String()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("wait for %s, have:\n%s", what, s)
		}
	}
}

// background starts a program in a host, both outputs into the transcript. It
// is killed when the test ends.
func background(t testing.TB, h *lab.Host, name string, args ...string) (*lab.Cmd, *transcript) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c, out := h.Command(ctx, name, args...), new(transcript)
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

// tcpdump shows what a filter lets through on a link of a host, a line for each
// packet, from when it returns. Headers are enough: of whole packets its buffer
// holds 32 (libpcap, pcap-linux.c, create_ring), and while it waits for a processor
// more may pass.
func tcpdump(t testing.TB, h *lab.Host, link, filter string, flags ...string) (*lab.Cmd, *transcript) {
	t.Helper()
	args := append([]string{"-n", "-l", "--immediate-mode", "-s", "256", "-i", link}, flags...)
	c, out := background(t, h, "tcpdump", append(args, filter)...)
	out.await(t, "tcpdump", func(text string) bool { return strings.Contains(text, "listening on "+link) })
	return c, out
}

// numbers finds the groups of a pattern in a text; all of them must be numbers.
func numbers(t testing.TB, text, pattern string) (list []int) {
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

// ping sends count echo requests and returns how many were answered, by its own
// account. It fails when it says that it sent another number.
func (b *testbed) ping(t testing.TB, to netip.Addr, count int) (answered int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	out, err := b.from.Command(ctx, "ping", "-n", "-q", "-c", strconv.Itoa(count), "-i", "0.002", "-W", "1",
		to.String()).CombinedOutput()
	n := numbers(t, string(out), `(\d+) packets transmitted, (\d+) (?:packets )?received`)
	if n[0] != count {
		t.Errorf("ping sent %d requests, not %d", n[0], count)
	}
	if (err == nil) != (n[1] > 0) {
		t.Errorf("ping ended with %v:\n%s", err, out)
	}
	return n[1]
}

// TestPing: what arrives is what the engine relays, to the packet, and what ping
// says is what arrives.
func TestPing(t *testing.T) {
	requireProgram(t, "ping")
	newTestbed(t).losePings(t, "100", "50", "0")
}

func (b *testbed) losePings(t *testing.T, percents ...string) {
	for _, tt := range []struct {
		to            netip.Addr
		file, counter string // that counts the requests in the host that answers
	}{
		{b.ipv4, "snmp", "Icmp:InEchos"},
		{b.ipv6, "snmp6", "Icmp6InEchos"},
	} {
		for _, percent := range percents {
			t.Run(fmt.Sprintf("%s/percent%s", tt.to, percent), func(t *testing.T) {
				answered, arrived := 0, -1
				for attempt := 0; attempt < pingAttempts && answered != arrived; attempt++ {
					before := b.counter(t, b.to, tt.file, tt.counter)
					program, a := b.begin(t, "percent "+percent, 77)
					answered = b.ping(t, tt.to, pings)
					a.check(t, pings, program)
					arrived = int(b.counter(t, b.to, tt.file, tt.counter) - before)
					if want := pings - int(drops(program, pings)); arrived != want {
						t.Fatalf("%d requests arrived, the engine relayed %d", arrived, want)
					}
				}
				if answered != arrived {
					t.Errorf("ping got %d answers to %d requests, in the last of %d attempts", answered, arrived, pingAttempts)
				}
				checkRate(t, pings, answered, percent)
			})
		}
	}
}

const (
	// pings are enough requests for chance to be judged.
	pings = 200

	// pingAttempts is how often it may leave too soon: on a busy machine it does
	// not wait long enough for the last answers, no longer than for two of the
	// earlier ones (ping(8), -W).
	pingAttempts = 5
)

// TestTcpdumpBeforeAndBehind: tcpdump on the device shows every packet, on the
// slave what is left of them.
func TestTcpdumpBeforeAndBehind(t *testing.T) {
	requireProgram(t, "ping", "tcpdump")
	b := newTestbed(t)
	near, far := b.capture(t, device), b.capture(t, lab.Link)
	const count = pings
	program, a := b.begin(t, "percent 60", 78)
	b.ping(t, b.Morgana.IPv4, count)
	a.check(t, count, program)
	relayed := int(a.stats(t).Relayed.Packets)
	if relayed == 0 || relayed == count {
		t.Fatalf("relayed %d of %d: nothing to be seen", relayed, count)
	}
	near.check(t, count)
	far.check(t, relayed)
	if got := a.stats(t).Dropped[api.DropPolicy].Packets; got != uint64(count-relayed) {
		t.Errorf("%d dropped", got)
	}
}

// dump is a tcpdump that runs.
type dump struct {
	*lab.Cmd
	out   *transcript
	link  string
	shows *regexp.Regexp // the packets that count
}

// capture shows echo requests.
func (b *testbed) capture(t testing.TB, link string) *dump {
	t.Helper()
	c, out := tcpdump(t, b.Borea, link, "icmp[icmptype] == icmp-echo")
	return &dump{c, out, link, regexp.MustCompile("ICMP echo request")}
}

// check ends tcpdump and fails unless it saw just count packets.
func (d *dump) check(t testing.TB, count int) {
	t.Helper()
	seen := func() int { return len(d.shows.FindAllString(d.out.String(), -1)) }
	d.out.await(t, fmt.Sprintf("%d packets on %s", count, d.link), func(string) bool { return seen() >= count })
	if err := d.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(); err != nil {
		t.Errorf("tcpdump on %s: %v", d.link, err)
	}
	// A third number, of packets received by filter, has those in it that came before there was one.
	n := numbers(t, d.out.String(), `(\d+) packets? captured\s(?:.|\s)*?\s(\d+) packets? dropped by kernel`)
	if seen() != count || n[0] < count || n[1] != 0 {
		t.Errorf("tcpdump on %s shows %d packets (captured %d, dropped %d), want %d", d.link, seen(), n[0], n[1], count)
	}
}
