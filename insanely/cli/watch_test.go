package cli

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// counted is a device that sent n packets of 125 bytes, of which every fifth was
// dropped, for one of two reasons.
func counted(n uint64) api.Stats {
	times := func(n uint64) api.Count { return api.Count{Packets: n, Bytes: 125 * n} }
	return api.Stats{
		Offered: times(n), Relayed: times(n - n/5),
		Dropped: map[string]api.Count{api.DropPolicy: times(n/5 - n/10), api.DropNoSlave: times(n / 10)},
	}
}

// Rates are over the time that went by, which a slow answer makes longer than
// the interval.
func TestWatchRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		// 1000 packets each 100 ms since the start, 2000 before it.
		ask := func(context.Context) (api.DeviceStats, error) {
			time.Sleep(100 * time.Millisecond)
			return api.DeviceStats{TX: counted(2000 + uint64(time.Since(started)/(100*time.Microsecond)))}, nil
		}
		var samples []sample
		show := func(s sample) error { samples = append(samples, s); return nil }
		if err := watch(t.Context(), time.Second, 3, ask, show); err != nil {
			t.Fatal(err)
		}
		if len(samples) != 3 {
			t.Fatalf("%d samples, want 3", len(samples))
		}
		want := movement{
			Offered: rate{10_000, 1_250_000},
			Relayed: rate{8_000, 1_000_000},
			Dropped: rate{2_000, 250_000},
		}
		for i, s := range samples {
			want.Stats = s.TX.Stats
			if diff := cmp.Diff(want, s.TX, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
				t.Errorf("sample %d (-want +got):\n%s", i, diff)
			}
		}
		// The first answer is there at 100 ms, the ticks are whole seconds
		// after that, and each answer is another 100 ms later.
		if got := samples[0].Seconds; got != 1.1 {
			t.Errorf("first sample over %v s, want 1.1", got)
		}
		if got := samples[1].Seconds; got != 1 {
			t.Errorf("second sample over %v s, want 1", got)
		}
		if got, want := samples[2].Time.Sub(started), 3200*time.Millisecond; got != want {
			t.Errorf("third sample after %s, want %s", got, want)
		}
	})
}

// A daemon that was started again has counted from zero: no rate is negative,
// and none is that of a number gone round.
func TestWatchDaemonStartedAgain(t *testing.T) {
	before := api.DeviceStats{TX: counted(1000), RX: counted(100)}
	now := api.DeviceStats{TX: counted(50), RX: counted(100)}
	s := newSample(time.Now(), 5*time.Second, before, now)
	if got := s.TX.Offered.Packets; got != 10 {
		t.Errorf("%v packets/s offered, want 10", got)
	}
	if got := s.RX.Offered.Packets; got != 20 {
		t.Errorf("%v packets/s received, want 20 of the new daemon", got)
	}
}

// One that was busier than the old one is known by any counter that went back.
func TestWatchBusierDaemonStartedAgain(t *testing.T) {
	lossy, relayed := counted(100), counted(1000)
	relayed.Dropped, relayed.Relayed = nil, relayed.Offered
	for name, now := range map[string]api.DeviceStats{
		"tx": {TX: relayed, RX: lossy},
		"rx": {TX: lossy, RX: relayed},
	} {
		s := newSample(time.Now(), 10*time.Second, api.DeviceStats{TX: lossy, RX: lossy}, now)
		for direction, got := range map[string]float64{
			"tx":         s.TX.Offered.Packets*10 - float64(now.TX.Offered.Packets),
			"rx":         s.RX.Offered.Packets*10 - float64(now.RX.Offered.Packets),
			"tx dropped": s.TX.Dropped.Packets*10 - float64(dropped(now.TX).Packets),
			"rx dropped": s.RX.Dropped.Packets*10 - float64(dropped(now.RX).Packets),
		} {
			if got != 0 {
				t.Errorf("%s went back: %s is %v packets off the new daemon's", name, direction, got)
			}
		}
	}
}

func TestWatchEnds(t *testing.T) {
	ok := func(context.Context) (api.DeviceStats, error) { return api.DeviceStats{}, nil }
	quiet := func(sample) error { return nil }
	failure := errors.New("failed")

	t.Run("interrupted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10500*time.Millisecond)
			defer cancel()
			n := 0
			// An interrupted request returns this error.
			ask := func(ctx context.Context) (api.DeviceStats, error) { return api.DeviceStats{}, ctx.Err() }
			if err := watch(ctx, time.Second, 0, ask, func(sample) error { n++; return nil }); err != nil {
				t.Error(err)
			}
			if n != 10 {
				t.Errorf("%d samples, want 10", n)
			}
		})
	})
	t.Run("no daemon", func(t *testing.T) {
		gone := func(context.Context) (api.DeviceStats, error) { return api.DeviceStats{}, insanely.ErrNoDaemon }
		if err := watch(t.Context(), time.Second, 0, gone, quiet); !errors.Is(err, insanely.ErrNoDaemon) {
			t.Errorf("error is %v, want ErrNoDaemon", err)
		}
	})
	t.Run("daemon dies", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			dying := func(context.Context) (api.DeviceStats, error) {
				if n++; n > 3 {
					return api.DeviceStats{}, failure
				}
				return api.DeviceStats{}, nil
			}
			if err := watch(t.Context(), time.Second, 0, dying, quiet); err != failure {
				t.Errorf("error is %v, want %v", err, failure)
			}
		})
	})
	t.Run("output closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if err := watch(t.Context(), time.Second, 0, ok, func(sample) error { return failure }); err != failure {
				t.Errorf("error is %v, want %v", err, failure)
			}
		})
	})
}

func TestWatchTable(t *testing.T) {
	var text strings.Builder
	show := (&program{out: &text}).tableWriter()
	received := counted(500)
	received.Overruns = 7
	s := newSample(time.Now(), time.Second, api.DeviceStats{}, api.DeviceStats{TX: counted(12_500), RX: received})
	const heading = "    offered/s  relayed/s   Mbit/s  dropped/s       relayed      dropped overruns\n"
	const rows = "tx      12500      10000     10.0       2500         10000         2500        0\n" +
		"rx        500        400      0.4        100           400          100        7\n"
	const perScreen = 11
	want := heading + strings.Repeat(rows, perScreen) + heading + rows
	for range perScreen + 1 {
		if err := show(s); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if lines := 1 + 2*perScreen; lines >= 24 {
		t.Errorf("a screenful is %d lines", lines)
	}
	if len(heading) > 80+1 {
		t.Errorf("the heading is %d columns", len(heading)-1)
	}
}
