package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestOwnerFollows: whatever changes on the host, soon every packet reaches it
// through the link that owns it now, and the device says so.
func TestOwnerFollows(t *testing.T) {
	b := newOwners(t)
	w := b.newWitness(t)
	for _, family := range families {
		b.awaitOwner(t, w, otherHost[family], slaveAddrs[family], lab.Link)
		b.awaitOwner(t, w, ownHost[family], ownAddrs[family], device)
		b.awaitOwner(t, w, otherHost[family], ownAddrs[family], device)
		b.awaitOwner(t, w, ownHost[family], slaveAddrs[family], device)
	}
	t.Run("address", func(t *testing.T) { b.followsAddress(t, w) })
	t.Run("route", func(t *testing.T) { b.followsRoute(t, w) })
	t.Run("down", func(t *testing.T) { b.followsState(t, w) })
	t.Run("mode", func(t *testing.T) { b.followsMode(t, w) })
	t.Run("slave", func(t *testing.T) { b.followsSlave(t, w) })
}

// awaitOwner waits until what one host sends to an address comes in through a link.
func (b *testbed) awaitOwner(t testing.TB, w *witness, from, to netip.Addr, link string) {
	t.Helper()
	s := b.newStream(t, from, to, w.port())
	eventually(t, "packets from "+from.String()+" to "+to.String()+" to come through "+link, func() bool {
		s.send(t, 0, 1, labelLen)
		seen := w.look(t, time.Second)
		return len(seen) == 1 && seen[0].from == from && b.name(t, seen[0].link) == link
	})
	// And all that follow; one from before may come late.
	const mark = 1
	s.send(t, mark, perGroup, labelLen)
	if diff := cmp.Diff(map[string]int{link: perGroup}, w.collect(t, b, mark, perGroup)); diff != "" {
		t.Errorf("from %s to %s (-want +got):\n%s", from, to, diff)
	}
}

// awaitTakes waits until the device says that it takes what goes to an address,
// or no longer.
func (b *testbed) awaitTakes(t testing.TB, to netip.Addr, want bool) {
	t.Helper()
	b.awaitState(t, func(i api.Info) bool { return contains(i.Takes.To, to) == want })
}

func (b *testbed) followsAddress(t *testing.T, w *witness) {
	for family, addr := range map[int]netip.Addr{4: b.Borea.SpareIPv4, 6: b.Borea.SpareIPv6} {
		b.ip(t, "address", "add", addr.String(), "dev", device)
		b.awaitUsable(t)
		b.awaitOwner(t, w, otherHost[family], addr, device)
		b.awaitTakes(t, addr, true)
		b.ip(t, "address", "add", addr.String(), "dev", lab.Link) // not its own any more
		b.awaitUsable(t)
		b.awaitOwner(t, w, otherHost[family], addr, lab.Link)
		b.awaitTakes(t, addr, false)
		b.ip(t, "address", "del", addr.String(), "dev", lab.Link)
		b.awaitOwner(t, w, otherHost[family], addr, device)
		b.ip(t, "address", "add", addr.String(), "dev", lab.Link)
		b.awaitUsable(t)
		b.ip(t, "address", "del", addr.String(), "dev", device)
		b.awaitOwner(t, w, otherHost[family], addr, lab.Link)
		b.awaitTakes(t, addr, false)
	}
}

func (b *testbed) followsRoute(t *testing.T, w *witness) {
	for _, family := range families {
		host := routedHost[family]
		b.awaitOwner(t, w, host, slaveAddrs[family], lab.Link)
		b.routeHost(t, host, true)
		b.awaitOwner(t, w, host, slaveAddrs[family], device)
		b.awaitOwner(t, w, otherHost[family], slaveAddrs[family], lab.Link)
		b.awaitState(t, func(i api.Info) bool { return contains(i.Takes.From, host) })
		// A better one elsewhere.
		b.ip(t, "route", "replace", host.String(), "dev", device, "metric", "2000")
		b.ip(t, "route", "add", host.String(), "dev", lab.Link, "metric", "100")
		if family == 4 {
			b.ip(t, "route", "del", host.String(), "dev", device, "metric", "0")
		} else {
			b.ip(t, "route", "del", host.String(), "dev", device, "metric", "1024")
		}
		b.awaitOwner(t, w, host, slaveAddrs[family], lab.Link)
		b.ip(t, "route", "del", host.String(), "dev", lab.Link)
		b.awaitOwner(t, w, host, slaveAddrs[family], device)
		b.ip(t, "route", "del", host.String(), "dev", device)
		b.awaitOwner(t, w, host, slaveAddrs[family], lab.Link)
		b.awaitState(t, func(i api.Info) bool { return !contains(i.Takes.From, host) })
	}
}

func (b *testbed) followsState(t *testing.T, w *witness) {
	b.sysctl(t, b.Borea, "ipv6/conf/"+device+"/keep_addr_on_down", "1")
	b.ip(t, "link", "set", device, "down")
	b.awaitState(t, func(i api.Info) bool { return strings.Contains(i.Takes.Idle, "down") })
	b.awaitOwner(t, w, ownHost[4], ownAddrs[4], lab.Link) // IPv4 has an address whatever its link does
	b.ip(t, "link", "set", device, "up")
	b.awaitState(t, func(i api.Info) bool { return i.Takes.Idle == "" })
	b.awaitUsable(t)
	for _, family := range families {
		b.awaitOwner(t, w, ownHost[family], ownAddrs[family], device)
	}
}

func (b *testbed) followsMode(t *testing.T, w *witness) {
	for _, tt := range []struct{ mode, slave, own string }{
		{api.ReceiveAll, device, device}, {api.ReceiveNone, lab.Link, lab.Link}, {api.ReceiveAuto, lab.Link, device},
	} {
		b.receive(t, tt.mode)
		for _, family := range families {
			b.awaitOwner(t, w, otherHost[family], slaveAddrs[family], tt.slave)
			b.awaitOwner(t, w, ownHost[family], ownAddrs[family], tt.own)
		}
	}
}

// followsSlave moves the device to another cable and back.
func (b *testbed) followsSlave(t *testing.T, w *witness) {
	b.secondCable(t, "10.6.0.1/24", "10.6.0.2/24")
	run(t, b.Morgana, "ip", "route", "add", "10.8.0.1", "dev", "eth1", "src", "10.6.0.2")
	far := netip.MustParseAddr("10.6.0.2")
	slave := netip.MustParseAddr("10.6.0.1")
	set(t, b.daemon, api.Change{Slave: new("eth1")})
	b.awaitOwner(t, w, far, ownAddrs[4], device)
	b.awaitOwner(t, w, far, slave, "eth1")
	b.awaitOwner(t, w, ownHost[6], ownAddrs[6], lab.Link) // still over the first cable
	set(t, b.daemon, api.Change{Slave: new(lab.Link)})
	b.awaitOwner(t, w, far, ownAddrs[4], "eth1")
	b.awaitOwner(t, w, ownHost[6], ownAddrs[6], device)
	i := b.awaitState(t, func(i api.Info) bool { return i.Takes.Idle == "" })
	if !contains(i.Takes.To, ownAddrs[4]) || !slices.Contains(i.Takes.From, "10.8.0.0/24") {
		t.Errorf("the device takes %+v", i.Takes)
	}
}

// secondCable joins the hosts by another one, eth1 at both ends.
func (b *testbed) secondCable(t testing.TB, near, far string) {
	t.Helper()
	namespace := namespaceOf(t, b.Morgana)
	defer namespace.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth1"
	cable := netlink.NewVeth(attrs)
	cable.PeerName, cable.PeerNamespace = "eth1", netlink.NsFd(int(namespace.Fd()))
	if err := b.Borea.Netlink().LinkAdd(cable); err != nil {
		t.Fatalf("make cable: %v", err)
	}
	furnishLink(t, b.Borea, "eth1", near)
	furnishLink(t, b.Morgana, "eth1", far)
	eventually(t, "carrier of eth1", func() bool { return carrierOf(t, b.Borea, "eth1") })
}
