package testbed

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Device is the interface that the tests on the wire start in borea.
const Device = api.DefaultName

// Longest is how long a test waits for what must happen. It is no measure of
// anything: the machine may be busy.
const Longest = 20 * time.Second

// Bed is a device between borea and morgana through which only the packets
// of the test go. Neighbours are known in advance and IPv6 has said all it says
// of a new link, so that packet 0 of a run is the first one of the test.
type Bed struct {
	*lab.Lab
	Course
	Daemon *lab.Daemon
	Path   string        // that was asked for, one of the api.Path… values
	Quiet  time.Duration // how long no host must have sent before a run begins
}

// A host that has a new link reports its groups on it a few times, in the lab at random moments
// less than 10 ms apart. So a host that was silent for FirstQuiet has finished, also if other
// processes keep the processor from it. After that, only packets of the test are on their way.
const (
	FirstQuiet = 250 * time.Millisecond
	LaterQuiet = 100 * time.Millisecond
)

// New starts a device and routes both addresses of morgana through it. Packets go from
// borea to morgana. The argument path selects the data plane; without it the device
// chooses.
func New(t testing.TB, path ...string) *Bed {
	t.Helper()
	l := labtest.New(t)
	asked := append(path, api.PathAuto)[0]
	b := &Bed{
		Lab: l, Daemon: labtest.StartDaemon(t, l, "--slave", lab.Link, "--path", asked), Path: asked, Quiet: FirstQuiet,
		Course: Course{From: l.Borea, To: l.Morgana, IPv4: l.Morgana.IPv4, IPv6: l.Morgana.IPv6},
	}
	t.Cleanup(func() { b.checkBothCounters(t) })
	h := b.Borea.Netlink()
	b.keepOrder(t)
	near := labtest.LinkOf(t, b.Borea, Device)
	b.awaitIPv6(t, lab.Link, b.Borea.IPv6)
	if err := h.LinkSetUp(near); err != nil {
		t.Fatalf("set %s up: %v", Device, err)
	}
	b.knowEachOther(t, near)
	for _, route := range b.Routes(near) {
		if err := h.RouteAdd(route); err != nil {
			t.Fatalf("route %s: %v", route.Dst, err)
		}
	}
	return b
}

// Routes returns borea's routes to both addresses of morgana.
func (b *Bed) Routes(through netlink.Link) (list []*netlink.Route) {
	for _, way := range []struct{ to, from netip.Addr }{
		{b.Morgana.IPv4, b.Borea.IPv4}, {b.Morgana.IPv6, b.Borea.IPv6},
	} {
		list = append(list, &netlink.Route{
			LinkIndex: through.Attrs().Index,
			Dst:       &net.IPNet{IP: way.to.AsSlice(), Mask: net.CIDRMask(way.to.BitLen(), way.to.BitLen())},
			Src:       way.from.AsSlice(),
		})
	}
	return list
}

// Begin sets the policy of the packets' direction and restarts the numbers at 0, after no
// other packets are sent. It returns the program that gives the expected verdict of each
// packet; do not use a policy that depends on the time. It fails if the device takes
// another path than the one under test. On a card with several transmit queues the relay
// carries tx for both (insane/README.md, Limits).
func (b *Bed) Begin(t testing.TB, text string, seed uint64) (*policy.Program, Account) {
	t.Helper()
	program := b.Program(t, text, seed)
	b.AwaitQuiet(t)
	c := b.Change(text)
	c.Seed = &seed
	now := b.Direction(labtest.Set(t, b.Daemon, c))
	queues := labtest.Cards() && strings.Contains(now.PathReason, "transmit queues")
	if b.Path != api.PathAuto && now.Path != b.Path && !queues {
		t.Fatalf("packets take the path %s (%s), want %s", now.Path, now.PathReason, b.Path)
	}
	return program, Account{Before: now.Stats, Bed: b}
}

// AwaitQuiet waits until no packet was offered for a while.
func (b *Bed) AwaitQuiet(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(Longest)
	before, since := b.Stats(t).Offered, time.Now()
	for time.Since(since) < b.Quiet {
		time.Sleep(LaterQuiet / 2)
		if now := b.Stats(t).Offered; now != before {
			before, since = now, time.Now()
		}
		if time.Now().After(deadline) {
			t.Fatal("the device does not come to rest")
		}
	}
	b.Quiet = LaterQuiet
}

// Stats returns the counters of the packets' direction, including overruns.
func (b *Bed) Stats(t testing.TB) api.Stats {
	t.Helper()
	s, err := b.Daemon.Client.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if b.Receiving() {
		return s.RX
	}
	return s.TX
}

// Counters returns the kernel's counters of a link.
func (b *Bed) Counters(t testing.TB, h *lab.Host, name string) netlink.LinkStatistics {
	t.Helper()
	return *labtest.LinkOf(t, h, name).Attrs().Statistics
}

// AwaitState waits for a state of the device. It repeats a request whose answer does not
// come in time.
func (b *Bed) AwaitState(t testing.TB, done func(api.Info) bool) api.Info {
	t.Helper()
	for deadline := time.Now().Add(Longest); ; time.Sleep(10 * time.Millisecond) {
		i, err := b.Daemon.Client.Info(context.Background())
		if err == nil && done(i) {
			return i
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain, have %+v, %v", i, err)
		}
	}
}
