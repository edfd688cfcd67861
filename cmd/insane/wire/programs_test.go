package wire

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// ping sends count echo requests and returns how many were answered according to ping. It
// fails if ping reports another number of requests.
func ping(t testing.TB, b *testbed.Bed, to netip.Addr, count int) (answered int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testbed.Longest)
	defer cancel()
	out, err := b.From.Command(ctx, "ping", "-n", "-q", "-c", strconv.Itoa(count), "-i", "0.002", "-W", "1",
		to.String()).CombinedOutput()
	n := testbed.Numbers(t, string(out), `(\d+) packets transmitted, (\d+) (?:packets )?received`)
	if n[0] != count {
		t.Errorf("ping sent %d requests, not %d", n[0], count)
	}
	if (err == nil) != (n[1] > 0) {
		t.Errorf("ping ended with %v:\n%s", err, out)
	}
	return n[1]
}

// TestPing: exactly the packets arrive that the engine relays, and ping reports as many
// answers as the other host gives.
func TestPing(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "ping")
	losePings(t, testbed.New(t), "100", "50", "0")
}

func losePings(t *testing.T, b *testbed.Bed, percents ...string) {
	for _, tt := range []struct {
		to                      netip.Addr
		file, requests, answers string // the counters of the host that answers
	}{
		{b.IPv4, "snmp", "Icmp:InEchos", "Icmp:OutEchoReps"},
		{b.IPv6, "snmp6", "Icmp6InEchos", "Icmp6OutEchoReplies"},
	} {
		for _, percent := range percents {
			t.Run(fmt.Sprintf("%s/percent%s", tt.to, percent), func(t *testing.T) {
				answered, given, arrived := 0, -1, 0
				for attempt := 0; attempt < testbed.PingAttempts && answered != given; attempt++ {
					before, given0 := b.Counter(t, b.To, tt.file, tt.requests), b.Counter(t, b.To, tt.file, tt.answers)
					program, a := b.Begin(t, "percent "+percent, 77)
					answered = ping(t, b, tt.to, testbed.Pings)
					a.Check(t, testbed.Pings, program)
					arrived = int(b.Counter(t, b.To, tt.file, tt.requests) - before)
					given = int(b.Counter(t, b.To, tt.file, tt.answers) - given0)
					if want := testbed.Pings - int(testbed.Drops(program, testbed.Pings)); arrived != want {
						t.Fatalf("%d requests arrived, the engine relayed %d", arrived, want)
					}
				}
				if answered != given {
					t.Errorf("ping got %d answers of %d that were given to %d requests, in the last of %d attempts",
						answered, given, arrived, testbed.PingAttempts)
				}
				testbed.CheckRate(t, testbed.Pings, arrived, percent)
			})
		}
	}
}

// TestTcpdumpBeforeAndBehind: tcpdump on the device shows every packet; tcpdump on the
// slave shows the relayed ones.
func TestTcpdumpBeforeAndBehind(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "ping", "tcpdump")
	b := testbed.New(t)
	near, far := capture(t, b, testbed.Device), capture(t, b, lab.Link)
	const count = testbed.Pings
	program, a := b.Begin(t, "percent 60", 78)
	ping(t, b, b.Morgana.IPv4, count)
	a.Check(t, count, program)
	relayed := int(a.Stats(t).Relayed.Packets)
	if relayed == 0 || relayed == count {
		t.Fatalf("relayed %d of %d: nothing to be seen", relayed, count)
	}
	near.Check(t, count)
	far.Check(t, relayed)
	if got := a.Stats(t).Dropped[api.DropPolicy].Packets; got != uint64(count-relayed) {
		t.Errorf("%d dropped", got)
	}
}

// capture shows echo requests.
func capture(t testing.TB, b *testbed.Bed, link string) *testbed.Dump {
	t.Helper()
	c, out := testbed.Tcpdump(t, b.Borea, link, "icmp[icmptype] == icmp-echo")
	return &testbed.Dump{Cmd: c, Out: out, Link: link, Shows: regexp.MustCompile("ICMP echo request")}
}
