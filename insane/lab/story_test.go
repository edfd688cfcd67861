package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/seed-39a139a1/insane/insanely/api"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// tell runs the story of some stops with a simulated device.
func tell(d *device, stops ...stop) (string, error) {
	var out bytes.Buffer
	s := &story{
		printer: newPrinter(&out),
		lab:     &Lab{Borea: borea(), Morgana: morgana()},
		control: d,
		run:     d.run,
		stops:   stops,
	}
	err := s.tour(background)
	return out.String(), err
}

func stopOf(t *testing.T, policy string) stop {
	t.Helper()
	for _, s := range stops() {
		if s.command() == policy {
			return s
		}
	}
	t.Fatalf("no stop has the policy %s", policy)
	return stop{}
}

func TestStoryOfAGoodDevice(t *testing.T) {
	out, err := tell(newDevice(1), stops()...)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if got := strings.Count(out, "ok\n"); got != len(stops())+1 || strings.Contains(out, "NOT OK") {
		t.Errorf("%d times ok, want one for each stop and the bystander:\n%s", got, out)
	}
	for _, line := range strings.Split(out, "\n") {
		if strings.Contains(line, "\x1b") {
			t.Errorf("colours although this is no terminal: %q", line)
		}
	}
}

func TestStoryReads(t *testing.T) {
	out, err := tell(newDevice(1), stopOf(t, "time 200ms 100ms"), stopOf(t, "percent 0"), stopOf(t, "rx percent 60"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `1. A loose contact
   borea# insanely eth0 time 200ms 100ms
   asked     200 ms of everything, 100 ms of nothing, and so on
   sent      6,000 packets from borea, 10.9.0.1, to morgana, 10.9.0.2
   arrived   4,000, 66.7 %; 200ms of 300ms is 66.7 %
   counters  offered 6,000 = relayed 4,000 + dropped 2,000; relayed − arrived = 0
   time      ████▁▁████▁▁████▁▁████▁▁████▁▁████▁▁████▁▁████▁▁████▁▁████▁▁  50 ms each
             19 edges, none more than 0.0 ms off its time; 20ms is allowed
   ok

2. A cut cable
   borea# insanely eth0 percent 0
   asked     nothing is relayed, and borea is not told
   sent      5,000 packets from borea, 10.9.0.1, to morgana, 10.9.0.2
   arrived   0; it must be 0 exactly
   counters  offered 5,000 = relayed 0 + dropped 5,000; relayed − arrived = 0
   ok

3. The other way
   borea# insanely eth0 rx percent 60
   asked     60 % of what morgana sends gets through to borea
   sent      10,000 packets from morgana, 10.9.0.2, to borea, 10.9.0.1
   arrived   5,998, 59.98 %; chance allows 5,783 to 6,216
   counters  offered 10,000 = relayed 5,998 + dropped 4,002; relayed − arrived = 0
   ok

And the bystander: all the while packets went past insane, between borea and
10.9.0.4, which is not re-routed. 2,250 packets sent, 0 lost.  ok

All 3 were as asked.
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Every possible error is detected and named, and makes the whole story fail.
func TestStoryOfABadDevice(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy string
		result func(*probe.Result)
		stats  func(*api.Stats)
		want   string
	}{
		{"arrives too often", "percent 80", func(r *probe.Result) { r.Received = 16249 }, nil,
			"16,249 of 20,000 arrived, chance allows 15,748 to 16,248"},
		{"arrives too seldom", "percent 80", func(r *probe.Result) { r.Received = 15747 }, nil,
			"15,747 of 20,000 arrived, chance allows 15,748 to 16,248"},
		{"one lost of all", "pass", func(r *probe.Result) { r.Received-- }, nil,
			"4,999 of 5,000 arrived, chance allows 5,000 to 5,000"},
		{"one through a cut cable", "percent 0", func(r *probe.Result) { r.Received++ }, nil,
			"1 of 5,000 arrived, chance allows 0 to 0"},
		{"lost on the way", "pass", func(r *probe.Result) { r.Received-- }, nil,
			"relayed by the counters, but not arrived: 1 packet"},
		{"arrived from nowhere", "percent 80", nil, func(s *api.Stats) {
			s.Relayed.Packets--
			addDropped(s, api.DropPolicy, 1)
		}, "arrived, but by the counters not relayed: 1 packet"},
		{"told the sender", "percent 0", func(r *probe.Result) { r.Refused, r.Refusal = 1, unix.ENOBUFS }, nil,
			"the sender was refused 1 packet: no buffer space available"},
		{"twice", "pass", func(r *probe.Result) { r.Duplicates = 2 }, nil, "2 packets arrived twice"},
		{"out of order", "pass", func(r *probe.Result) { r.Reordered = 3 }, nil, "3 packets arrived out of order"},
		{"strays", "pass", func(r *probe.Result) { r.Strays = 1 }, nil, "1 packet arrived that nobody had sent"},
		{"overflow", "pass", func(r *probe.Result) { r.Overflowed = 1 }, nil, "the receiver was too slow for 1 packet"},
		{"overrun", "pass", nil, func(s *api.Stats) { s.Overruns++; s.Offered.Packets-- },
			"1 packet overran the queue in front of insane"},
		{"counters out of balance", "percent 80", nil, func(s *api.Stats) { s.Offered.Packets++ },
			"the counters do not balance"},
		{"held", "pass", nil, func(s *api.Stats) { s.Held.Packets = 1; s.Relayed.Packets-- },
			"still held: 1 packet"},
		{"another reason", "percent 80", nil, func(s *api.Stats) {
			addDropped(s, api.DropPolicy, -1)
			addDropped(s, api.DropSlaveBusy, 1)
		}, "dropped for a reason other than the policy: 1 packet"},
		{"forgotten", "percent 80", nil, func(s *api.Stats) {
			s.Offered.Packets--
			addDropped(s, api.DropPolicy, -1)
		}, "sent, but not in the counters: 1 packet"},
		{"invented", "percent 80", nil, func(s *api.Stats) {
			s.Offered.Packets += maxForeign + 1
			addDropped(s, api.DropPolicy, maxForeign+1)
		}, "in the counters, but not sent: 9 packets"},
		{"received too seldom", "rx percent 60", func(r *probe.Result) { r.Received = 5782 }, nil,
			"5,782 of 10,000 arrived, chance allows 5,783 to 6,216"},
		{"received past the counters", "rx percent 60", nil, func(s *api.Stats) {
			s.Offered.Packets--
			s.Relayed.Packets--
		}, "sent, but not in the counters: 1 packet"},
		{"an edge too early", "time 200ms 100ms", lateFates(-25 * time.Millisecond), nil,
			"from the nearest edge, 20ms is allowed"},
		{"an edge too late", "time 200ms 100ms", lateFates(30 * time.Millisecond), nil,
			"a packet had the wrong verdict"},
		{"no edges", "time 200ms 100ms", func(r *probe.Result) { copy(r.ReceivedAt, r.SentAt) }, nil,
			"0 edges seen, at least 17 expected"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice(1)
			d.spoilResult, d.spoilStats = tt.result, tt.stats
			out, err := tell(d, stopOf(t, tt.policy))
			if !errors.Is(err, ErrNotAsAsked) || !strings.HasSuffix(fmt.Sprint(err), ": "+tt.policy) {
				t.Errorf("got error %v, want that %s is not as asked", err, tt.policy)
			}
			if !strings.Contains(out, "NOT OK: ") || !strings.Contains(out, tt.want) {
				t.Errorf("not said that %s:\n%s", tt.want, out)
			}
		})
	}
}

// lateFates moves what happened to packets by some time against the clock.
func lateFates(by time.Duration) func(*probe.Result) {
	return func(r *probe.Result) {
		received := make([]time.Duration, len(r.ReceivedAt))
		for i := range received {
			from := i - int(by/(r.SentAt[1]-r.SentAt[0]))
			received[i] = never
			if from < 0 || from >= len(received) || r.Arrived(from) {
				received[i] = r.SentAt[i]
			}
		}
		r.ReceivedAt = received
	}
}

// Up to a few packets of the kernel itself may be counted and relayed; they are shown and
// are no fault.
func TestStoryForgivesTheKernelsOwnPackets(t *testing.T) {
	d := newDevice(1)
	d.spoilStats = func(s *api.Stats) {
		s.Offered.Packets += maxForeign
		s.Relayed.Packets += maxForeign
	}
	out, err := tell(d, stopOf(t, "pass"))
	if err != nil || !strings.Contains(out, "(8 of them the kernel's own") {
		t.Errorf("%v\n%s", err, out)
	}
}

// An overrun says nothing about the policy: the measurement is repeated at a lower rate.
func TestStoryMeasuresAgain(t *testing.T) {
	d := newDevice(1)
	readings := 0
	d.spoilStats = func(s *api.Stats) {
		if readings++; readings == 1 {
			s.Overruns++
			s.Offered.Packets--
			s.Relayed.Packets--
		}
	}
	out, err := tell(d, stopOf(t, "pass"))
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if got := strings.Count(out, "too busy; once more, with 5,000 packets a second"); got != 1 || readings != 2 {
		t.Errorf("%d readings:\n%s", readings, out)
	}
}

func TestStoryOfADisturbedBystander(t *testing.T) {
	d := newDevice(1)
	s := &story{
		printer: newPrinter(io.Discard), lab: &Lab{Borea: borea(), Morgana: morgana()}, control: d, run: d.run,
		stops: stops()[:1], bystander: probe.Result{Sent: 1},
	}
	if err := s.tour(background); !errors.Is(err, ErrNotAsAsked) || !strings.Contains(err.Error(), "bystander") {
		t.Errorf("got %v, want that the bystander was not left alone", err)
	}
}

// failingWriter is a writer whose writes fail.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, unix.EPIPE }

func TestStoryNobodyReads(t *testing.T) {
	d := newDevice(1)
	s := &story{
		printer: newPrinter(failingWriter{}), lab: &Lab{Borea: borea(), Morgana: morgana()}, control: d, run: d.run,
		stops: stops(),
	}
	if err := s.tour(background); !errors.Is(err, unix.EPIPE) {
		t.Errorf("got %v, want EPIPE", err)
	}
}

// On a real cable, a daemon that does nothing must not pass.
func TestVisitOfAnIdleDaemon(t *testing.T) {
	l := newLab(t, Options{})
	daemon, err := l.Daemon(background, "--name", Link)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s := &story{
		printer: newPrinter(&out), lab: l, control: daemon.Client, run: probe.Probe.Run,
		stops: []stop{stopOf(t, "pass"), stopOf(t, "percent 50"), stopOf(t, "rx percent 60")},
	}
	err = s.tell(background)
	if !errors.Is(err, ErrNotAsAsked) || strings.Count(out.String(), "NOT OK") != 3 {
		t.Errorf("got %v\n%s", err, out.String())
	}
	for _, want := range []string{
		"sent, but not in the counters: 5,000 packets",
		"10,000 of 10,000 arrived, chance allows 4,779 to 5,221",
		"5,000 packets from borea, 10.9.0.1, to morgana, 10.9.0.2",
		"10,000 packets from borea, fd00:9::1, to morgana, fd00:9::2",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not said that %s:\n%s", want, out.String())
		}
	}
}

func TestVisitOfADaemonThatFails(t *testing.T) {
	NeedRoot(t)
	err := Tour(background, io.Discard, Options{Insane: []string{"/proc/self/exe", "role-daemon", "--fail"}})
	if err == nil || !strings.Contains(err.Error(), "asked to fail") {
		t.Errorf("got %v, want what the daemon said", err)
	}
}
