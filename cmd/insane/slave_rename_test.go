package main

import (
	"context"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestSlaveRenamed renames the slave again and again under a stream of packets.
// None is lost, and the device tells the new name. Then the link is deleted: from
// now on the new name is the one that is waited for.
func TestSlaveRenamed(t *testing.T) {
	t.Parallel()
	l, r := newLab(t), seeded(t)
	d := newDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--route", "fd00:9::2")
	awaitRoutes(t, l)
	relays(t, l, d.Client) // and neighbours are known
	names := []string{"wire0", "eth0"}
	for range soak(t, 5) {
		before := relayed(t, d.Client)
		const count = 3000
		stream := make(chan probed, 1)
		go func() {
			r, err := lab.Probe{From: l.Borea, To: l.Morgana, Count: count, Rate: 3000, Settle: 50 * time.Millisecond}.
				Run(context.Background())
			stream <- probed{r, err}
		}()
		for i := range 10 {
			time.Sleep(time.Duration(r.Int64N(int64(60 * time.Millisecond))))
			renameSlave(t, l, d, names[1-i%2], names[i%2])
		}
		got := <-stream
		if got.err != nil {
			t.Fatal(got.err)
		}
		if got.Lost() != 0 || got.Refused != 0 {
			t.Errorf("lost %d, refused %d (%v)", got.Lost(), got.Refused, got.Refusal)
		}
		if n := relayed(t, d.Client) - before; n < count {
			t.Errorf("%d of %d packets went through the device", n, count)
		}
	}

	renameSlave(t, l, d, "eth0", "wire0")
	for range soak(t, 5) {
		unplug(t, l, "wire0")
		gone(t, l, d)
		plug(t, l, "wire0", 0)
		back(t, l, d)
		relays(t, l, d.Client)
	}
	unplug(t, l, "wire0")
	gone(t, l, d)
	plug(t, l, "eth0", 0)
	if i := info(t, d); i.SlaveState != api.SlaveGone || i.Slave != "wire0" {
		t.Errorf("slave %q is %s; a link of the old name is not the slave", i.Slave, i.SlaveState)
	}
}

// renameSlave renames and waits until the device, its alias and the list of its
// links tell the new name.
func renameSlave(t *testing.T, l *lab.Lab, d *lab.Daemon, from, to string) {
	t.Helper()
	if err := l.Borea.Netlink().LinkSetName(linkOf(t, l.Borea, from), to); err != nil {
		t.Fatalf("rename %s to %s: %v", from, to, err)
	}
	eventually(t, "the new name "+to, func() bool {
		i := info(t, d)
		return i.Slave == to && i.SlaveState == api.SlaveUp &&
			linkOf(t, l.Borea, "insane").Attrs().Alias == "insane: slave "+to
	})
}
