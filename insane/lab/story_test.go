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

// The texts of the stops that measure more than losses.
func TestStoryReadsTimesAndDamage(t *testing.T) {
	out, err := tell(newDevice(1), stopOf(t, "delay 50ms"), stopOf(t, "rate 1mbit queue 200ms"), stopOf(t, "rx corrupt 20"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `1. A long way
   borea# insanely eth0 delay 50ms
   asked     everything comes 50 ms later, nothing earlier
   sent      400 packets from borea, 10.9.0.1, to morgana, 10.9.0.2
   arrived   400; it must be 400 exactly
   counters  offered 400 = relayed 400 + dropped 0; relayed − arrived = 0
   took      50.00 ms at least, 50.00 ms in the median, 50.00 ms for 99 %
             allowed: never below 50.00 ms, and at most 52.00 ms in the median
   ok

2. A slow link
   borea# insanely eth0 rate 1mbit queue 200ms
   asked     1 Mbit/s, and what would wait for more than 200 ms is lost
   sent      750 packets from borea, 10.9.0.1, to morgana, 10.9.0.2
   arrived   425; the queue of the link lost 325
   counters  offered 750 = relayed 425 + dropped 325; relayed − arrived = 0
   rate      1.000 Mbit/s of 2.000 that were sent; allowed: 0.980 to 1.020
             (the median over 1s each, after the first 250ms)
   took      204.00 ms in the median, behind a full queue; allowed: 180.00 ms to 220.00 ms
   ok

3. Noise on the way back
   borea# insanely eth0 rx corrupt 20
   asked     one bit is flipped in each of 20 % of what morgana sends
   sent      4,000 packets from morgana, 10.9.0.2, to borea, 10.9.0.1
   arrived   3,174; the receiving kernel refused 826 for a wrong checksum or header
   counters  offered 4,000 = relayed 4,000 + dropped 0; relayed − arrived − refused = 0
   damaged   826 by insane, 20.65 %; chance allows 690 to 914
             826 seen on arrival, in which 826 bits differ; allowed: 1 in each
   ok

And the bystander: all the while packets went past insane, between borea and
10.9.0.4, which is not re-routed. 1,150 packets sent, 0 lost.  ok

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
		{"a delay 20 % too long", "delay 50ms", later(10 * time.Millisecond), nil,
			"the median packet took 60.00 ms, 52.00 ms is allowed"},
		{"a delay just too long", "rx delay 20ms", later(2*time.Millisecond + 10*time.Microsecond), nil,
			"the median packet took 22.01 ms, 22.00 ms is allowed"},
		{"one packet too early", "delay 50ms", func(r *probe.Result) { r.ReceivedAt[7] -= time.Microsecond }, nil,
			"a packet came 1µs too early"},
		{"one lost of a delay", "delay 50ms", func(r *probe.Result) { r.Received--; r.ReceivedAt[3] = never }, nil,
			"399 of 400 arrived, chance allows 400 to 400"},
		{"a rate 5 % too high", "rate 1mbit queue 200ms", faster(1.05), nil,
			"the link had 1.050 Mbit/s, 5.0 % off"},
		{"a rate 3 % too low", "rate 1mbit queue 200ms", faster(0.97), nil,
			"the link had 0.970 Mbit/s, -3.0 % off"},
		{"no rate", "rate 1mbit queue 200ms", func(r *probe.Result) { copy(r.ReceivedAt, r.SentAt) }, nil,
			"the link had 2.000 Mbit/s, 100.0 % off"},
		{"nothing arrived through the link", "rate 1mbit queue 200ms", func(r *probe.Result) {
			for i := range r.ReceivedAt {
				r.ReceivedAt[i] = never
			}
		}, nil, "the link had 0.000 Mbit/s, -100.0 % off"},
		{"a queue that is too long", "rate 1mbit queue 200ms", later(30 * time.Millisecond), nil,
			"ms behind a full queue"},
		{"a queue that is too short", "rate 1mbit queue 200ms", later(-30 * time.Millisecond), nil,
			"ms behind a full queue"},
		{"not lost by the queue", "rate 1mbit queue 200ms", nil, func(s *api.Stats) {
			s.Stages = map[string]api.Count{queueStage: {Packets: s.Dropped[api.DropPolicy].Packets - 1}}
		}, "1 packet lost, but not by the queue"},
		{"a bit that was not flipped", "corrupt 10", func(r *probe.Result) {
			r.Damage.Packets--
			r.Damage.Bits--
			r.Rejected--
			r.Received++
		}, nil, "damaged by the counters, "},
		{"two bits in one packet", "rx corrupt 20", func(r *probe.Result) { r.Damage.Bits++ }, nil,
			"allowed is 1 in each"},
		{"damage that no checksum finds", "corrupt 10", func(r *probe.Result) { r.Rejected--; r.Received++ }, nil,
			"with a wrong checksum, but the receiving kernel refused "},
		{"damaged and lost", "corrupt 10", func(r *probe.Result) { r.Damage.Seen-- }, nil,
			"3,999 packets reached the receiving host, 4,000 were sent"},
		{"neither whole nor damaged", "corrupt 10", func(r *probe.Result) { r.Received-- }, nil,
			"3,999 packets arrived or were refused, 4,000 were sent"},
		{"damaged too often", "corrupt 10", damaged(487), func(s *api.Stats) { s.Damaged.Packets = 487 },
			"487 damaged by the counters, chance allows 319 to 486"},
		{"damaged too seldom", "corrupt 10", damaged(318), func(s *api.Stats) { s.Damaged.Packets = 318 },
			"318 damaged by the counters, chance allows 319 to 486"},
		{"damaged behind the counters", "rx corrupt 20", nil, func(s *api.Stats) { s.Damaged.Packets-- },
			"damaged by the counters, "},
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

// later moves what arrives by some time.
func later(by time.Duration) func(*probe.Result) {
	return func(r *probe.Result) {
		for i := range r.ReceivedAt {
			if r.Arrived(i) {
				r.ReceivedAt[i] += by
			}
		}
	}
}

// faster makes what arrives come so many times as fast.
func faster(times float64) func(*probe.Result) {
	return func(r *probe.Result) {
		for i, at := range r.ReceivedAt {
			if r.Arrived(i) {
				r.ReceivedAt[i] = time.Duration(float64(at) / times)
			}
		}
	}
}

// damaged makes so many packets damaged ones.
func damaged(packets int) func(*probe.Result) {
	return func(r *probe.Result) {
		r.Damage.Packets, r.Damage.Bits = packets, packets
		r.Received, r.Rejected = r.Sent-packets, packets
	}
}

// A checksum that has become 0 is none: such a packet arrives, and that is no fault. So does a
// damaged packet of the kernel itself, which the probe does not see.
func TestStoryForgivesDamage(t *testing.T) {
	d := newDevice(1)
	d.spoilResult = func(r *probe.Result) {
		r.Damage.Unguarded++
		r.Rejected--
		r.Received++
	}
	d.spoilStats = func(s *api.Stats) {
		s.Offered.Packets++
		s.Relayed.Packets++
		s.Damaged.Packets++
	}
	if out, err := tell(d, stopOf(t, "corrupt 10")); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A packet that is too early is a fault of the device, however busy the machine is: it is not
// measured again.
func TestStoryForgivesNoEarlyPacket(t *testing.T) {
	d := newDevice(1)
	runs := 0
	d.spoilResult = func(r *probe.Result) {
		if runs++; runs == 1 {
			r.SentAt[9] += 2 * tolerance
			r.ReceivedAt[9] = r.SentAt[9] + 49*time.Millisecond
		}
	}
	out, err := tell(d, stopOf(t, "delay 50ms"))
	if !errors.Is(err, ErrNotAsAsked) || runs != 1 || !strings.Contains(out, "a packet came 1ms too early") {
		t.Errorf("%d runs, %v\n%s", runs, err, out)
	}
}

// A sender that lost its processor tells nothing about a delay or a rate; the delay is measured
// again at a lower rate, and the link at the same one.
func TestStoryForgivesABusySender(t *testing.T) {
	for policy, want := range map[string]string{
		"delay 50ms":             "once more, with 500 packets a second)\n   sent      200 packets",
		"rate 1mbit queue 200ms": "once more, with 500 packets a second)\n   sent      750 packets",
	} {
		d := newDevice(1)
		runs := 0
		d.spoilResult = func(r *probe.Result) {
			if runs++; runs > 1 {
				return
			}
			later(50 * time.Millisecond)(r)
			for i := range r.SentAt[100:] {
				r.SentAt[100+i] += 101 * time.Millisecond
				if r.Arrived(100 + i) {
					r.ReceivedAt[100+i] += 101 * time.Millisecond
				}
			}
		}
		out, err := tell(d, stopOf(t, policy))
		if err != nil || runs != 2 || !strings.Contains(out, want) {
			t.Errorf("%s: %d runs, %v\n%s", policy, runs, err, out)
		}
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
		stops: []stop{
			stopOf(t, "pass"), stopOf(t, "percent 50"), stopOf(t, "rx percent 60"),
			stopOf(t, "delay 50ms"), stopOf(t, "rate 1mbit queue 200ms"), stopOf(t, "rx corrupt 20"),
		},
	}
	err = s.tell(background)
	if !errors.Is(err, ErrNotAsAsked) || strings.Count(out.String(), "NOT OK") != len(s.stops) {
		t.Errorf("got %v\n%s", err, out.String())
	}
	for _, want := range []string{
		"sent, but not in the counters: 5,000 packets",
		"10,000 of 10,000 arrived, chance allows 4,779 to 5,221",
		"5,000 packets from borea, 10.9.0.1, to morgana, 10.9.0.2",
		"10,000 packets from borea, fd00:9::1, to morgana, fd00:9::2",
		"ms too early",
		"the queue lost nothing",
		"0 seen on arrival, in which 0 bits differ",
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
