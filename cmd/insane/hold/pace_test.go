package hold

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
)

// pace is a link, and how far off a second of it and the distances of its packets may be.
type pace struct {
	rate  int // bits per second
	delay time.Duration
	last  time.Duration // how long packets are sent

	second        float64 // share of the rate; 0: it is not compared
	median, p90th float64 // of the time that a packet takes; 0: not compared
}

// size is the payload of the packets here, each the time of a packet of it on the link.
const size = 1200

func (p pace) each() time.Duration {
	return time.Duration(8 * (size + ether) * int(time.Second) / p.rate)
}

// TestRateEachSecond: a link that always has something to carry carries its rate in each second
// after the first, whatever the delay behind it, and never more. Up to 100 Mbit/s the packets of
// super-frames keep the distances of single packets. The short form leaves room for a machine that
// stalls; the long form has all rates and asks for exactness.
func TestRateEachSecond(t *testing.T) {
	t.Parallel()
	paces := []pace{{rate: 10_000_000, delay: 20 * time.Millisecond, last: 3200 * time.Millisecond, second: 0.25, median: 0.1}}
	if testbed.Long(t) {
		paces = nil
		for _, rate := range []int{1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 5_000_000_000} {
			for _, delay := range []time.Duration{0, 20 * time.Millisecond, 200 * time.Millisecond} {
				p := pace{rate: rate, delay: delay, last: 5200 * time.Millisecond, second: 0.01}
				switch {
				case testbed.Race:
					p.second = 0
				case rate == 10_000_000 || rate == 100_000_000:
					p.median, p.p90th = 0.01, 0.05
				case rate > 1_000_000_000:
					p.second = 0.06
				}
				paces = append(paces, p)
			}
		}
	}
	b := testbed.New(t)
	for _, p := range paces {
		t.Run(fmt.Sprintf("%dMbit/%v", p.rate/1_000_000, p.delay), func(t *testing.T) {
			s := newStream(t, b, size)
			b.Begin(t, fmt.Sprintf("rate %dbit queue 10s delay %v", p.rate, p.delay), 1)
			p.check(t, s.saturate(t, p), s.sent[0])
		})
	}
}

// carried is how many packets came at one moment.
type carried struct {
	at      time.Time
	packets int
}

// saturate sends super-frames, so that a link always has something to carry, and receives them.
// It is never ahead of the link by more than fits the queue in front of the device, of 1000 frames.
// The receiver takes what comes together as one, or it could not keep up.
func (s *stream) saturate(t *testing.T, p pace) (list []carried) {
	t.Helper()
	testbed.SetOption(t, s.In, unix.SOL_UDP, unix.UDP_GRO, 1)
	frame := min(50, max(10, p.rate/20_000_000))
	total := int(p.last / time.Microsecond * time.Duration(p.rate/1_000_000) / (8 * (size + ether)))
	ahead, began, before := max(600*frame, int(80*time.Millisecond/p.each())), time.Now(), s.bed.Stats(t).Overruns
	for arrived, since := 0, began; arrived < total; {
		gone := int(time.Since(began) / p.each())
		gone = min(gone, arrived+int(p.delay/p.each()))
		if len(s.sent) < total && len(s.sent) < gone+ahead {
			s.super(t, frame)
			continue
		}
		payload, stamp, err := s.arrivals.Next(time.Second)
		if err == nil {
			list, since = append(list, carried{stamp.At, len(payload) / size}), time.Now()
			arrived += len(payload) / size
			continue
		}
		overruns := int(s.bed.Stats(t).Overruns - before) // frames
		if arrived+overruns*frame >= total {
			t.Logf("%d overruns", overruns)
			break
		}
		if time.Since(since) > testbed.Longest {
			t.Fatalf("%d packets have arrived of %d; %d overruns: %v", arrived, len(s.sent), overruns, err)
		}
	}
	return list
}

// check compares what arrived with the link. Began is before the first packet was sent.
func (p pace) check(t *testing.T, list []carried, began time.Time) {
	t.Helper()
	bits, first := 0, list[0].at
	seconds := make([]float64, int(list[len(list)-1].at.Sub(first)/time.Second))
	var apart []time.Duration
	for i, c := range list {
		bits += 8 * (size + ether) * c.packets
		if most := float64(p.rate) * (c.at.Sub(began) - p.delay).Seconds(); float64(bits) > most+1 {
			t.Fatalf("%d bits have arrived, and the link carries %.0f until then", bits, most)
		}
		if second := int(c.at.Sub(first) / time.Second); second < len(seconds) {
			seconds[second] += float64(8 * (size + ether) * c.packets)
		}
		if i > 0 {
			apart = append(apart, c.at.Sub(list[i-1].at))
		}
	}
	off := 0.0
	for _, carried := range seconds[min(1, len(seconds)):] {
		if d := carried/float64(p.rate) - 1; max(d, -d) > max(off, -off) {
			off = d
		}
	}
	slices.Sort(apart)
	median, p90th := testbed.Quantile(apart, 0.5), testbed.Quantile(apart, 0.9)
	t.Logf("%d seconds, the worst of them %+.2f %%; packets of %v are p50 %v, p90 %v apart", len(seconds)-1, 100*off, p.each(), median, p90th)
	if p.second != 0 && max(off, -off) > p.second {
		t.Errorf("in one of the seconds the link carried its rate and %+.2f %%", 100*off)
	}
	for _, c := range []struct {
		what  string
		apart time.Duration
		most  float64
	}{{"p50", median, p.median}, {"p90", p90th, p.p90th}} {
		if away := (c.apart - p.each()).Abs(); c.most != 0 && away.Seconds() > c.most*p.each().Seconds() {
			t.Errorf("%s: packets are %v apart, want %v", c.what, c.apart, p.each())
		}
	}
}
