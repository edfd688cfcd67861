package slave

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// TestSlaveRenamed renames the slave repeatedly under a stream of packets. No packet is
// lost, and the device shows the new name. Then the link is deleted: from now on the device
// waits for a link with the new name.
func TestSlaveRenamed(t *testing.T) {
	t.Parallel()
	l, r := labtest.New(t), testbed.Seeded(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--route", "fd00:9::2")
	awaitRoutes(t, l)
	testbed.Relays(t, l, d.Client) // also resolves the neighbours
	names := []string{"wire0", "eth0"}
	for range testbed.Soak(t, 5) {
		before := testbed.Relayed(t, d.Client)
		const count = 3000
		stream := make(chan testbed.Probed, 1)
		go func() {
			r, err := probe.Probe{From: l.Borea, To: l.Morgana, Address: l.Morgana.IPv4, Count: count, Rate: 3000, Settle: 50 * time.Millisecond}.
				Run(context.Background())
			stream <- testbed.Probed{Result: r, Err: err}
		}()
		for i := range 10 {
			time.Sleep(time.Duration(r.Int64N(int64(60 * time.Millisecond))))
			testbed.RenameSlave(t, l, d, names[1-i%2], names[i%2])
		}
		got := <-stream
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		if got.Lost() != 0 || got.Refused != 0 {
			t.Errorf("lost %d, refused %d (%v)", got.Lost(), got.Refused, got.Refusal)
		}
		if n := testbed.Relayed(t, d.Client) - before; n < count {
			t.Errorf("%d of %d packets went through the device", n, count)
		}
	}

	testbed.RenameSlave(t, l, d, "eth0", "wire0")
	for range testbed.Soak(t, 5) {
		testbed.Unplug(t, l, "wire0")
		testbed.Gone(t, l, d)
		testbed.Plug(t, l, "wire0", 0)
		back(t, l, d)
		testbed.Relays(t, l, d.Client)
	}
	testbed.Unplug(t, l, "wire0")
	testbed.Gone(t, l, d)
	testbed.Plug(t, l, "eth0", 0)
	if i := labtest.Info(t, d); i.SlaveState != api.SlaveGone || i.Slave != "wire0" {
		t.Errorf("slave %q is %s; a link of the old name is not the slave", i.Slave, i.SlaveState)
	}
}

// awaitRoutes waits until the routes that the device was started with lead through it, with
// the slave's addresses as source.
func awaitRoutes(t testing.TB, l *lab.Lab) {
	t.Helper()
	for dst, source := range map[string]netip.Addr{"10.9.0.2": l.Borea.IPv4, "fd00:9::2": l.Borea.IPv6} {
		labtest.Await(t, "a route to "+dst+" with source "+source.String(), func() bool {
			routes, err := l.Borea.Netlink().RouteGet(net.ParseIP(dst))
			if err != nil || len(routes) != 1 {
				return false
			}
			src, _ := netip.AddrFromSlice(routes[0].Src)
			return routes[0].LinkIndex == labtest.LinkOf(t, l.Borea, "insane").Attrs().Index && src.Unmap() == source
		})
	}
}
