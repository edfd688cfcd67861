package owner

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestManyRoutes: with tens of thousands of routes, through the slave and through insane, the
// device claims those through insane, also after changes of the mode, and needs little memory
// for them.
func TestManyRoutes(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "ip")
	const many = 20_000 // of each
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", lab.Link, "--address", "10.8.0.1/24", "--route", "10.9.0.2")
	before := testbed.ResidentKiB(t, d.PID())
	var batch strings.Builder
	for i := range many {
		network := netip.AddrFrom4([4]byte{20, byte(i >> 7), byte(i << 1), 0})
		fmt.Fprintf(&batch, "route add %s/25 dev eth0\n", network)
		fmt.Fprintf(&batch, "route add %s/24 dev insane\n", network)
	}
	c := l.Borea.Command(t.Context(), "ip", "-batch", "-")
	c.Stdin = strings.NewReader(batch.String())
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("add routes: %v\n%s", err, out)
	}
	// Beside the routes: the address and its network, the host that is routed, and the
	// link-local address.
	all := func() bool {
		takes := labtest.Info(t, d).Takes
		return len(takes.To)+len(takes.From)+takes.More == many+4
	}
	labtest.Await(t, "all routes to be claimed", all)
	for _, mode := range []string{api.ReceiveNone, api.ReceiveAll, api.ReceiveAuto} {
		if got := labtest.Set(t, d, api.Change{Receive: &mode}); got.Receive != mode {
			t.Errorf("receive %s, want %s", got.Receive, mode)
		}
	}
	if !all() {
		t.Errorf("after changes of the mode the device takes %+v", labtest.Info(t, d).Takes)
	}
	// 200,000 routes may cost 96 MiB. Most of what was needed meanwhile is given back.
	const most = 96 << 10 * 2 * many / 200_000 * 2 * testbed.MemoryFactor
	labtest.Await(t, fmt.Sprintf("growth by less than %d KiB", most), func() bool { return testbed.ResidentKiB(t, d.PID())-before < most })
}
