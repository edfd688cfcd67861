package testbed

import (
	"context"
	"net/netip"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Course is the way of a test's packets: from one host, through the device, to an address
// of the other host. Each test can run in either direction.
type Course struct {
	From, To   *lab.Host
	IPv4, IPv6 netip.Addr   // addresses of to, the destinations of the packets
	sources    []netip.Addr // addresses of from, the sources; if there is none, the kernel chooses
}

// Address returns the destination of packets of a family (4 or 6).
func (c Course) Address(family int) netip.Addr {
	if family == 6 {
		return c.IPv6
	}
	return c.IPv4
}

// source returns the source of packets to an address. If it is unspecified, the kernel
// chooses.
func (c Course) source(to netip.Addr) netip.Addr {
	for _, addr := range c.sources {
		if addr.Is4() == to.Unmap().Is4() {
			return addr
		}
	}
	return AnyAddress(map[bool]int{true: 4, false: 6}[to.Unmap().Is4()])
}

// Receiving reports whether the device receives the packets from its slave.
func (b *Bed) Receiving() bool { return b.To == b.Borea }

// Direction returns what the device reports about the packets' direction.
func (b *Bed) Direction(i api.Info) api.Direction {
	if b.Receiving() {
		return i.RX
	}
	return i.TX
}

// Change returns a change of the policy for the packets' direction.
func (b *Bed) Change(text string) api.Change {
	if b.Receiving() {
		return api.Change{RX: &text}
	}
	return api.Change{TX: &text}
}

// Program returns the program that the device uses for the packets' direction.
func (b *Bed) Program(t testing.TB, text string, seed uint64) *policy.Program {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if b.Receiving() {
		const rxIndex = 0 // the index that the device uses; tx draws from the seed itself
		seed = policy.Subseed(seed, rxIndex)
	}
	program := p.Compile(0, seed)
	return &program
}

// checkBothCounters fails unless the counters of both directions balance. It does nothing
// if the test has ended the daemon.
func (b *Bed) checkBothCounters(t testing.TB) {
	t.Helper()
	if s, err := b.Daemon.Client.Stats(context.Background()); err == nil {
		labtest.CheckCounters(t, s.TX)
		labtest.CheckCounters(t, s.RX)
	}
}

// A network in which insane has an address and its slave has none.
const (
	OwnIPv4, OwnIPv6   = "10.8.0.1", "fd00:8::1"
	peerIPv4, peerIPv6 = "10.8.0.2", "fd00:8::2" // of morgana
)

// NewReceiver makes a testbed in the other direction: packets go from morgana to addresses
// that only insane has.
func NewReceiver(t testing.TB, path ...string) *Bed {
	t.Helper()
	b := New(t, path...)
	labtest.Furnish(t, b.Morgana, lab.Link, peerIPv4+"/24", peerIPv6+"/64")
	labtest.Furnish(t, b.Borea, Device, OwnIPv4+"/24", OwnIPv6+"/64")
	own4, own6 := netip.MustParseAddr(OwnIPv4), netip.MustParseAddr(OwnIPv6)
	b.awaitIPv6(t, Device, own6)
	near, far := labtest.LinkOf(t, b.Borea, Device), labtest.LinkOf(t, b.Morgana, lab.Link)
	know(t, b.Borea, near, far, netip.MustParseAddr(peerIPv4), netip.MustParseAddr(peerIPv6))
	know(t, b.Morgana, far, near, own4, own6)
	b.Course = Course{From: b.Morgana, To: b.Borea, IPv4: own4, IPv6: own6}
	b.awaitTaken(t, OwnIPv4, OwnIPv6)
	b.Quiet = LaterQuiet // the slave gets the reports of groups that a host sends by itself
	return b
}

// awaitTaken waits until the device takes frames to the addresses.
func (b *Bed) awaitTaken(t testing.TB, addrs ...string) {
	t.Helper()
	b.AwaitState(t, func(i api.Info) bool {
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

// Back returns the testbed for packets from morgana to borea's own addresses. They belong
// to the device, because these addresses of morgana are routed through it.
func (b *Bed) Back() *Bed {
	back := *b
	back.Course = Course{
		From: b.Morgana, To: b.Borea, IPv4: b.Borea.IPv4, IPv6: b.Borea.IPv6,
		sources: []netip.Addr{b.Morgana.IPv4, b.Morgana.IPv6},
	}
	return &back
}

// AnyAddress returns the unspecified address of a family, 4 or 6.
func AnyAddress(family int) netip.Addr {
	if family == 6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}
