package main

import (
	"context"
	"net/netip"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// course is the way of a test's packets: from one host, through the device, to
// an address of the other. What can be asked of the device in one direction can
// be asked of it in the other.
type course struct {
	from, to   *lab.Host
	ipv4, ipv6 netip.Addr   // of to, where the packets go
	sources    []netip.Addr // of from, where they come from; the kernel picks the rest
}

// address is where packets of a family (4 or 6) go.
func (c course) address(family int) netip.Addr {
	if family == 6 {
		return c.ipv6
	}
	return c.ipv4
}

// source is where packets to an address come from: an unspecified one leaves it
// to the kernel.
func (c course) source(to netip.Addr) netip.Addr {
	for _, addr := range c.sources {
		if addr.Is4() == to.Unmap().Is4() {
			return addr
		}
	}
	return anyAddress(map[bool]int{true: 4, false: 6}[to.Unmap().Is4()])
}

// receiving reports whether the device receives the packets from its slave.
func (b *testbed) receiving() bool { return b.to == b.Borea }

// door is the link through which the test's packets leave or enter a host.
func (b *testbed) door(h *lab.Host) string {
	if h == b.Borea {
		return device
	}
	return lab.Link
}

// direction is what the device says of the packets' direction.
func (b *testbed) direction(i api.Info) api.Direction {
	if b.receiving() {
		return i.RX
	}
	return i.TX
}

// change asks for a policy for the packets' direction.
func (b *testbed) change(text string) api.Change {
	if b.receiving() {
		return api.Change{RX: &text}
	}
	return api.Change{TX: &text}
}

// program says of each packet of the direction what a policy does to it.
func (b *testbed) program(t testing.TB, text string, seed uint64) *policy.Program {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if b.receiving() {
		const rxIndex = 0 // the device's; tx draws from the seed itself
		seed = policy.Subseed(seed, rxIndex)
	}
	program := p.Compile(0, seed)
	return &program
}

// framesOffered is how many frames the kernel had for the relay: the TAP counts
// what the host sent into it, the slave what came out of the cable. The fast path
// may have had a part of the latter.
func (b *testbed) framesOffered(t testing.TB) uint64 {
	t.Helper()
	if b.receiving() {
		return b.counters(t, b.Borea, lab.Link).RxPackets
	}
	return b.counters(t, b.Borea, device).TxPackets
}

// checkBothCounters fails unless the counters of both directions balance. A test may
// have ended the daemon.
func (b *testbed) checkBothCounters(t testing.TB) {
	t.Helper()
	if s, err := b.daemon.Client.Stats(context.Background()); err == nil {
		checkCounters(t, s.TX)
		checkCounters(t, s.RX)
	}
}

// The network that insane is in and its slave is not.
const (
	ownIPv4, ownIPv6   = "10.8.0.1", "fd00:8::1"
	peerIPv4, peerIPv6 = "10.8.0.2", "fd00:8::2" // morgana's
)

// newReceiver is a testbed the other way round: packets go from morgana to
// addresses that only insane has.
func newReceiver(t testing.TB, path ...string) *testbed {
	t.Helper()
	b := newTestbed(t, path...)
	furnishLink(t, b.Morgana, lab.Link, peerIPv4+"/24", peerIPv6+"/64")
	furnishLink(t, b.Borea, device, ownIPv4+"/24", ownIPv6+"/64")
	own4, own6 := netip.MustParseAddr(ownIPv4), netip.MustParseAddr(ownIPv6)
	b.awaitIPv6(t, device, own6)
	near, far := b.link(t, b.Borea, device), b.link(t, b.Morgana, lab.Link)
	know(t, b.Borea, near, far, netip.MustParseAddr(peerIPv4), netip.MustParseAddr(peerIPv6))
	know(t, b.Morgana, far, near, own4, own6)
	b.course = course{from: b.Morgana, to: b.Borea, ipv4: own4, ipv6: own6}
	b.awaitTaken(t, ownIPv4, ownIPv6)
	b.quiet = laterQuiet // groups that a host reports of its own accord are the slave's to hear
	return b
}

// awaitTaken waits until the device takes what is for the addresses.
func (b *testbed) awaitTaken(t testing.TB, addrs ...string) {
	t.Helper()
	b.awaitState(t, func(i api.Info) bool {
		taken := make(map[string]bool)
		for _, addr := range i.Takes.To {
			taken[addr] = true
		}
		for _, addr := range addrs {
			if !taken[addr] {
				return false
			}
		}
		return i.Takes.Idle == ""
	})
}

// back is the testbed for what comes back from morgana to borea's own addresses:
// it is the device's since just these addresses of morgana are routed through it.
func (b *testbed) back() *testbed {
	back := *b
	back.course = course{
		from: b.Morgana, to: b.Borea, ipv4: b.Borea.IPv4, ipv6: b.Borea.IPv6,
		sources: []netip.Addr{b.Morgana.IPv4, b.Morgana.IPv6},
	}
	return &back
}

// takeAll makes the device receive everything. What morgana sends to the addresses
// of the slave would be the slave's otherwise: no route leads through the device.
func (b *testbed) takeAll(t testing.TB) {
	t.Helper()
	for _, route := range b.routes(b.link(t, b.Borea, device)) {
		if err := b.Borea.Netlink().RouteDel(route); err != nil {
			t.Fatalf("delete route to %s: %v", route.Dst, err)
		}
	}
	all := api.ReceiveAll
	set(t, b.daemon, api.Change{Receive: &all})
	b.quiet = firstQuiet // all, reports of groups included
}
