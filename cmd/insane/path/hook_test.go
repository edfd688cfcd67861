package path

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Short names for the table below.
const (
	ingress, egress = ebpf.AttachTCXIngress, ebpf.AttachTCXEgress
	self, slave     = testbed.Device, lab.Link
)

// hook is a place where a user may drop frames: a row of the table in README.md of package
// kern.
type hook struct {
	name   string
	rx     bool   // for frames that arrive; else for frames that are sent
	reason string // part of the reason why the relay carries that direction meanwhile; "": the path stays
	passes bool   // what goes through the device does not come by, on either path
	drop   func(testing.TB, *testbed.Bed) testbed.Hook
}

// tcx, filter, nftables and xdp return functions that drop frames at a place.
func tcx(name string, at ebpf.AttachType, anchor link.Anchor) func(testing.TB, *testbed.Bed) testbed.Hook {
	return func(t testing.TB, b *testbed.Bed) testbed.Hook { return testbed.DropTCX(t, b.Borea, name, at, anchor) }
}

func filter(name string, parent uint32) func(testing.TB, *testbed.Bed) testbed.Hook {
	return func(t testing.TB, b *testbed.Bed) testbed.Hook { return testbed.DropFilter(t, b.Borea, name, parent) }
}

func nftables(name, at string) func(testing.TB, *testbed.Bed) testbed.Hook {
	return func(t testing.TB, b *testbed.Bed) testbed.Hook { return testbed.DropNFTables(t, b.Borea, name, at) }
}

func xdp(name string, mode link.XDPAttachFlags) func(testing.TB, *testbed.Bed) testbed.Hook {
	return func(t testing.TB, b *testbed.Bed) testbed.Hook { return testbed.DropXDP(t, b.Borea, name, mode) }
}

// elsewhere drops frames at the other end of the slave, on another host.
func elsewhere(mode link.XDPAttachFlags) func(testing.TB, *testbed.Bed) testbed.Hook {
	return func(t testing.TB, b *testbed.Bed) testbed.Hook { return testbed.DropXDP(t, b.Morgana, slave, mode) }
}

var hooks = []hook{
	{name: "tcx before, egress of the interface", drop: tcx(self, egress, link.Head())},
	{name: "tcx behind, egress of the interface", drop: tcx(self, egress, link.Tail()), reason: "tcx program behind the fast path"},
	{name: "clsact, egress of the interface", drop: filter(self, netlink.HANDLE_MIN_EGRESS), reason: "filters of tc at egress"},
	{name: "nftables, egress of the interface", drop: nftables(self, "egress")},
	{name: "tcx, egress of the slave", drop: tcx(slave, egress, link.Tail())},
	{name: "clsact, egress of the slave", drop: filter(slave, netlink.HANDLE_MIN_EGRESS)},
	{name: "nftables, egress of the slave", drop: nftables(slave, "egress"), reason: "chain of nftables at egress"},
	{name: "native XDP, the other end of the slave", drop: elsewhere(link.XDPDriverMode)},
	{name: "qdisc of the slave", drop: func(t testing.TB, b *testbed.Bed) testbed.Hook { return testbed.DropQdisc(t, b.Borea, slave) }},

	{name: "native XDP, slave", rx: true, drop: xdp(slave, link.XDPDriverMode)},
	{name: "generic XDP, slave", rx: true, drop: xdp(slave, link.XDPGenericMode)},
	{name: "tcx before, ingress of the slave", rx: true, drop: tcx(slave, ingress, link.Head()), passes: true, reason: "tcx program in front of the receive filter"},
	{name: "tcx behind, ingress of the slave", rx: true, drop: tcx(slave, ingress, link.Tail()), passes: true},
	{name: "clsact, ingress of the slave", rx: true, drop: filter(slave, netlink.HANDLE_MIN_INGRESS), passes: true},
	{name: "nftables, ingress of the slave", rx: true, drop: nftables(slave, "ingress"), passes: true},
	{name: "native XDP, interface", rx: true, drop: xdp(self, link.XDPDriverMode), reason: "XDP program"},
	{name: "generic XDP, interface", rx: true, drop: xdp(self, link.XDPGenericMode), reason: "XDP program"},
	{name: "XDP set by netlink, interface", rx: true, reason: "XDP program",
		drop: func(t testing.TB, b *testbed.Bed) testbed.Hook {
			return testbed.DropXDPByNetlink(t, b.Borea, self, link.XDPGenericMode)
		}},
	{name: "tcx before, ingress of the interface", rx: true, drop: tcx(self, ingress, link.Head()), reason: "tcx program in front of the fast path"},
	{name: "tcx behind, ingress of the interface", rx: true, drop: tcx(self, ingress, link.Tail())},
	{name: "clsact, ingress of the interface", rx: true, drop: filter(self, netlink.HANDLE_MIN_INGRESS)},
	{name: "nftables, ingress of the interface", rx: true, drop: nftables(self, "ingress")},
}

// TestHooks: what a user does with frames at a hook happens on either path. If the fast path
// does not come by, the relay takes over, and the device says why.
func TestHooks(t *testing.T) {
	for _, asked := range []string{api.PathKernel, api.PathRelay} {
		t.Run(asked, func(t *testing.T) {
			t.Parallel()
			b := testbed.New(t, asked)
			if asked == api.PathKernel {
				testbed.AwaitPaths(t, b.Daemon, api.PathKernel)
			}
			tx, rx := newPassage(t, b), newPassage(t, b.Back())
			for _, h := range hooks {
				if strings.HasPrefix(h.name, "tcx") && !testbed.HasTCX(t) {
					continue
				}
				p := tx
				if h.rx {
					p = rx
				}
				if !t.Run(h.name, func(t *testing.T) { p.check(t, h) }) {
					return
				}
			}
		})
	}
}

// TestHooksOfTheSlaveInForce: a chain of nftables counts from the start of the device, for
// the slave that it is on, and until it is deleted.
func TestHooksOfTheSlaveInForce(t *testing.T) {
	testbed.RequireProgram(t, "nft")
	t.Parallel()
	l := labtest.New(t)
	testbed.PlugSecond(t, l)
	labtest.Run(t, l.Borea, "nft", `add table netdev fw; add chain netdev fw out { type filter hook egress device "eth0" priority 0; }`)
	d := labtest.StartDaemon(t, l, "--slave", slave, "--path", api.PathKernel)
	path := func(want string, why ...string) {
		t.Helper()
		var i api.Info
		labtest.Await(t, "the path "+want, func() bool {
			i = labtest.Info(t, d)
			return i.TX.Path == want && strings.Contains(i.TX.PathReason, strings.Join(why, ""))
		})
	}
	path(api.PathRelay, "eth0 has a chain of nftables at egress")
	labtest.Set(t, d, api.Change{Slave: new("eth1")})
	path(api.PathKernel)
	labtest.Set(t, d, api.Change{Slave: new(slave)})
	path(api.PathRelay, "eth0 has a chain of nftables at egress")
	labtest.Run(t, l.Borea, "nft", "delete table netdev fw")
	path(api.PathKernel)
	labtest.Run(t, l.Borea, "nft", `add table netdev fw; add chain netdev fw out { type filter hook egress devices = { eth1, eth0 } priority 0; }`)
	path(api.PathRelay, "eth0 has a chain of nftables at egress")
	labtest.Run(t, l.Borea, "nft", "flush ruleset")
	path(api.PathKernel)
}

// passage is a flow of UDP packets through a device, in one direction.
type passage struct {
	bed *testbed.Bed
	in  *net.UDPConn
	out *net.UDPConn
}

func newPassage(t testing.TB, b *testbed.Bed) passage {
	t.Helper()
	in := testbed.ListenUDP(t, b.To, b.Address(4))
	return passage{bed: b, in: in, out: b.DialUDP(t, in.LocalAddr().(*net.UDPAddr))}
}

// packets is how many packets a passage sends at once.
const packets = 20

// check installs a hook, sends packets, and removes the hook.
func (p passage) check(t *testing.T, h hook) {
	fast := p.bed.Path == api.PathKernel
	if fast {
		p.awaitPath(t, api.PathKernel, "")
	}
	p.arrive(t, "before")
	dropped := h.drop(t, p.bed)
	switch {
	case fast && h.reason != "":
		p.awaitPath(t, api.PathRelay, h.reason)
	case fast:
		p.awaitPath(t, api.PathKernel, "")
	}
	if h.passes {
		p.arrive(t, "past the hook")
		dropped.Remove()
		return
	}
	before := dropped.Count()
	p.send(t)
	labtest.Await(t, "the packets to be dropped", func() bool { return dropped.Count()-before >= packets })
	if n := p.received(t, time.Now()); n != 0 {
		t.Errorf("%d packets arrived, past a hook that drops all of them", n)
	}
	if fast && h.reason == "" {
		p.awaitPath(t, api.PathKernel, "")
	}
	dropped.Remove()
}

// awaitPath waits until the direction takes a path, for a reason that contains a text.
func (p passage) awaitPath(t testing.TB, path, reason string) {
	t.Helper()
	p.bed.AwaitState(t, func(i api.Info) bool {
		d := p.bed.Direction(i)
		return d.Path == path && strings.Contains(d.PathReason, reason)
	})
}

// send sends the packets. A hook at the sender may tell it that they are lost.
func (p passage) send(t testing.TB) {
	t.Helper()
	for range packets {
		if _, err := p.out.Write([]byte("hook")); err != nil && !errors.Is(err, unix.ENOBUFS) {
			t.Fatal(err)
		}
	}
}

// arrive sends the packets and waits until all of them have arrived.
func (p passage) arrive(t testing.TB, when string) {
	t.Helper()
	p.send(t)
	if n := p.received(t, time.Now().Add(testbed.Longest)); n != packets {
		t.Fatalf("%s: %d of %d packets arrived; the device: %+v", when, n, packets, p.bed.Direction(labtest.Info(t, p.bed.Daemon)))
	}
}

// received counts up to as many packets as were sent, until the deadline.
func (p passage) received(t testing.TB, deadline time.Time) (n int) {
	t.Helper()
	_ = p.in.SetReadDeadline(deadline.Add(time.Millisecond))
	for buffer := make([]byte, 16); n < packets; n++ {
		if _, err := p.in.Read(buffer); err != nil {
			return n
		}
	}
	return n
}
