package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// leastInterval limits the load of watch on the daemon.
const leastInterval = 10 * time.Millisecond

// watch prints the changes of the counters until it is interrupted.
func (p *program) watch(c *cli.Context) error {
	if err := refuse(c, changeFlags...); err != nil {
		return err
	}
	interval := time.Duration(*c.Generic("interval").(*duration))
	if interval < leastInterval {
		return usagef("interval", "flag --interval %s: shorter than %s", interval, leastInterval)
	}
	if c.IsSet("count") && c.Uint("count") == 0 {
		return usagef("count", "flag --count 0: want 1 or more")
	}
	client, err := p.open(c)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	show := p.tableWriter()
	if c.Bool("json") {
		show = p.printLine
	}
	return watch(ctx, interval, c.Uint("count"), client.Stats, show)
}

// watch reads the counters in each interval and shows their changes. It ends after count
// samples, or when ctx ends if count is 0. Rates use the measured length of the interval.
func watch(ctx context.Context, interval time.Duration, count uint,
	ask func(context.Context) (api.DeviceStats, error), show func(sample) error) error {
	before, err := ask(ctx)
	at := time.Now()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for n := uint(0); err == nil && (count == 0 || n < count); n++ {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		var now api.DeviceStats
		if now, err = ask(ctx); err != nil {
			break
		}
		passed := time.Since(at)
		at = at.Add(passed)
		err = show(newSample(at, passed, before, now))
		before = now
	}
	if ctx.Err() != nil {
		return nil // an interrupt is the normal end
	}
	return err
}

// sample is one interval; with --json it is one line.
type sample struct {
	Time    time.Time `json:"time"`
	Seconds float64   `json:"seconds"` // since the previous sample
	TX      movement  `json:"tx"`
	RX      movement  `json:"rx"`
}

// movement is one direction in an interval: the rates per second, and the sums since the
// start of the daemon.
type movement struct {
	Offered rate      `json:"offeredPerSecond"`
	Relayed rate      `json:"relayedPerSecond"`
	Dropped rate      `json:"droppedPerSecond"`
	Stats   api.Stats `json:"stats"`
}

type rate struct {
	Packets float64 `json:"packets"`
	Bytes   float64 `json:"bytes"`
}

// newSample counts from zero if any counter of either direction has decreased: then the
// daemon was restarted in between.
func newSample(at time.Time, passed time.Duration, before, now api.DeviceStats) sample {
	if wentBack(before.TX, now.TX) || wentBack(before.RX, now.RX) {
		before = api.DeviceStats{}
	}
	return sample{
		Time:    at,
		Seconds: passed.Seconds(),
		TX:      newMovement(passed, before.TX, now.TX),
		RX:      newMovement(passed, before.RX, now.RX),
	}
}

func newMovement(passed time.Duration, before, now api.Stats) movement {
	per := func(before, now api.Count) rate {
		return rate{
			Packets: float64(now.Packets-before.Packets) / passed.Seconds(),
			Bytes:   float64(now.Bytes-before.Bytes) / passed.Seconds(),
		}
	}
	return movement{
		Offered: per(before.Offered, now.Offered),
		Relayed: per(before.Relayed, now.Relayed),
		Dropped: per(dropped(before), dropped(now)),
		Stats:   now,
	}
}

// wentBack reports whether one of the counters for the rates has decreased.
func wentBack(before, now api.Stats) bool {
	less := func(now, before api.Count) bool { return now.Packets < before.Packets || now.Bytes < before.Bytes }
	return less(now.Offered, before.Offered) || less(now.Relayed, before.Relayed) || less(dropped(now), dropped(before))
}

// dropped returns the sum over all reasons.
func dropped(stats api.Stats) (sum api.Count) {
	for _, count := range stats.Dropped {
		sum.Packets += count.Packets
		sum.Bytes += count.Bytes
	}
	return sum
}

// printLine prints a sample as one line of JSON.
func (p *program) printLine(s sample) error { return p.write(toJSON(s, "")) }

// tableWriter prints samples as rows. It repeats the heading after every screen of 24
// lines.
func (p *program) tableWriter() func(sample) error {
	const (
		heading = "    offered/s  relayed/s   Mbit/s  dropped/s       relayed      dropped overruns\n"
		screen  = (24 - 1) / 2 // samples, of two lines each
	)
	n := 0
	return func(s sample) error {
		text := tableRow("tx", s.TX) + tableRow("rx", s.RX)
		if n%screen == 0 {
			text = heading + text
		}
		n++
		return p.print(text)
	}
}

func tableRow(label string, m movement) string {
	const bitsPerMbyte = 8.0 / 1e6 // Mbit/s that one byte per second is
	return fmt.Sprintf("%s  %9.0f  %9.0f %8.1f  %9.0f  %12d %12d %8d\n", label,
		m.Offered.Packets, m.Relayed.Packets, m.Relayed.Bytes*bitsPerMbyte, m.Dropped.Packets,
		m.Stats.Relayed.Packets, dropped(m.Stats).Packets, m.Stats.Overruns)
}
