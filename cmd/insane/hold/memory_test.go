package hold

import (
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestMemoryBudget: packets beyond the memory that they may need are lost, and counted apart.
// The others are held and leave. The memory goes back to the kernel afterwards.
func TestMemoryBudget(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", lab.Link, "--route", l.Morgana.IPv4.String(), "--memory", "20MB")
	b := &testbed.Bed{
		Lab: l, Daemon: d, Path: api.PathAuto,
		Course: testbed.Course{From: l.Borea, To: l.Morgana, IPv4: l.Morgana.IPv4, IPv6: l.Morgana.IPv6},
	}
	labtest.Run(t, l.Borea, "ping", "-c", "1", "-w", "20", l.Morgana.IPv4.String()) // so that they know each other
	s := newStream(t, b, 1400)
	idle := testbed.ResidentKiB(t, d.PID())
	s.change(t, "delay 1h")
	const sent = 1000 * 40
	for done := 0; done < sent; done += 40 {
		s.super(t, 40)
		if done%400 == 0 {
			labtest.Await(t, "the relay to have read", func() bool {
				now := b.Stats(t)
				labtest.CheckCounters(t, now)
				return now.Offered.Packets+now.NoMemory >= uint64(done) || now.Overruns > 0
			})
		}
	}
	labtest.Await(t, "the relay to have read", func() bool {
		now := b.Stats(t)
		return now.Offered.Packets+now.NoMemory >= sent || now.Overruns > 0
	})
	now := b.Stats(t)
	labtest.CheckCounters(t, now)
	if now.NoMemory == 0 || now.Held.Bytes > 20_000_000 || now.Held.Bytes < 14_000_000 {
		t.Errorf("%d packets without memory, %+v held", now.NoMemory, now.Held)
	}
	if most := idle + 20_000 + 40<<10; testbed.ResidentKiB(t, d.PID()) > most {
		t.Errorf("the daemon needs %d KiB, want at most %d", testbed.ResidentKiB(t, d.PID()), most)
	}
	held := now.Held.Packets
	s.change(t, "pass")
	s.holds(t, 0)
	if after := b.Stats(t); after.Relayed.Packets < held {
		t.Errorf("%d of %d packets were relayed: %+v", after.Relayed.Packets, held, after)
	}
	labtest.Await(t, "the memory to go back", func() bool { return testbed.ResidentKiB(t, d.PID()) < idle+14_000*testbed.MemoryFactor })
}
