package owner

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestOwnerFollows: after each change on the host, every packet soon reaches the host
// through the link that owns it now, and the device reports the change.
func TestOwnerFollows(t *testing.T) {
	b := newOwners(t)
	w := newWitness(t, b)
	for _, family := range families {
		awaitOwner(t, b, w, otherHost[family], slaveAddrs[family], lab.Link)
		awaitOwner(t, b, w, ownHost[family], ownAddrs[family], testbed.Device)
		awaitOwner(t, b, w, otherHost[family], ownAddrs[family], testbed.Device)
		awaitOwner(t, b, w, ownHost[family], slaveAddrs[family], testbed.Device)
	}
	t.Run("address", func(t *testing.T) { followsAddress(t, b, w) })
	t.Run("route", func(t *testing.T) { followsRoute(t, b, w) })
	t.Run("down", func(t *testing.T) { followsState(t, b, w) })
	t.Run("mode", func(t *testing.T) { followsMode(t, b, w) })
	t.Run("slave", func(t *testing.T) { followsSlave(t, b, w) })
}

// awaitOwner waits until packets from one host to an address come in through a link.
func awaitOwner(t testing.TB, b *testbed.Bed, w *witness, from, to netip.Addr, link string) {
	t.Helper()
	s := newStream(t, b, from, to, w.port())
	labtest.Await(t, "packets from "+from.String()+" to "+to.String()+" to come through "+link, func() bool {
		s.send(t, 0, 1, labelLen)
		seen := w.look(t, time.Second)
		return len(seen) == 1 && seen[0].from == from && name(t, b, seen[0].link) == link
	})
	// All later packets must too; an earlier packet may arrive late.
	const mark = 1
	s.send(t, mark, perGroup, labelLen)
	if diff := cmp.Diff(map[string]int{link: perGroup}, w.collect(t, b, mark, perGroup)); diff != "" {
		t.Errorf("from %s to %s (-want +got):\n%s", from, to, diff)
	}
}

// awaitTakes waits until the device reports that it takes frames to an address, or that it
// does not any more.
func awaitTakes(t testing.TB, b *testbed.Bed, to netip.Addr, want bool) {
	t.Helper()
	b.AwaitState(t, func(i api.Info) bool { return contains(i.Takes.To, to) == want })
}

func followsAddress(t *testing.T, b *testbed.Bed, w *witness) {
	for family, addr := range map[int]netip.Addr{4: b.Borea.SpareIPv4, 6: b.Borea.SpareIPv6} {
		ip(t, b, "address", "add", addr.String(), "dev", testbed.Device)
		awaitUsable(t, b)
		awaitOwner(t, b, w, otherHost[family], addr, testbed.Device)
		awaitTakes(t, b, addr, true)
		ip(t, b, "address", "add", addr.String(), "dev", lab.Link) // the slave does not have it any more
		awaitUsable(t, b)
		awaitOwner(t, b, w, otherHost[family], addr, lab.Link)
		awaitTakes(t, b, addr, false)
		ip(t, b, "address", "del", addr.String(), "dev", lab.Link)
		awaitOwner(t, b, w, otherHost[family], addr, testbed.Device)
		ip(t, b, "address", "add", addr.String(), "dev", lab.Link)
		awaitUsable(t, b)
		ip(t, b, "address", "del", addr.String(), "dev", testbed.Device)
		awaitOwner(t, b, w, otherHost[family], addr, lab.Link)
		awaitTakes(t, b, addr, false)
	}
}

func followsRoute(t *testing.T, b *testbed.Bed, w *witness) {
	for _, family := range families {
		host := routedHost[family]
		awaitOwner(t, b, w, host, slaveAddrs[family], lab.Link)
		routeHost(t, b, host, true)
		awaitOwner(t, b, w, host, slaveAddrs[family], testbed.Device)
		awaitOwner(t, b, w, otherHost[family], slaveAddrs[family], lab.Link)
		b.AwaitState(t, func(i api.Info) bool { return contains(i.Takes.From, host) })
		// A route with a lower metric through the other link.
		ip(t, b, "route", "replace", host.String(), "dev", testbed.Device, "metric", "2000")
		ip(t, b, "route", "add", host.String(), "dev", lab.Link, "metric", "100")
		if family == 4 {
			ip(t, b, "route", "del", host.String(), "dev", testbed.Device, "metric", "0")
		} else {
			ip(t, b, "route", "del", host.String(), "dev", testbed.Device, "metric", "1024")
		}
		awaitOwner(t, b, w, host, slaveAddrs[family], lab.Link)
		ip(t, b, "route", "del", host.String(), "dev", lab.Link)
		awaitOwner(t, b, w, host, slaveAddrs[family], testbed.Device)
		ip(t, b, "route", "del", host.String(), "dev", testbed.Device)
		awaitOwner(t, b, w, host, slaveAddrs[family], lab.Link)
		b.AwaitState(t, func(i api.Info) bool { return !contains(i.Takes.From, host) })
	}
}

func followsState(t *testing.T, b *testbed.Bed, w *witness) {
	b.Sysctl(t, b.Borea, "ipv6/conf/"+testbed.Device+"/keep_addr_on_down", "1")
	ip(t, b, "link", "set", testbed.Device, "down")
	b.AwaitState(t, func(i api.Info) bool { return strings.Contains(i.Takes.Idle, "down") })
	awaitOwner(t, b, w, ownHost[4], ownAddrs[4], lab.Link) // IPv4 has an address even if its link is down
	ip(t, b, "link", "set", testbed.Device, "up")
	b.AwaitState(t, func(i api.Info) bool { return i.Takes.Idle == "" })
	awaitUsable(t, b)
	for _, family := range families {
		awaitOwner(t, b, w, ownHost[family], ownAddrs[family], testbed.Device)
	}
}

func followsMode(t *testing.T, b *testbed.Bed, w *witness) {
	for _, tt := range []struct{ mode, slave, own string }{
		{api.ReceiveAll, testbed.Device, testbed.Device}, {api.ReceiveNone, lab.Link, lab.Link}, {api.ReceiveAuto, lab.Link, testbed.Device},
	} {
		receive(t, b, tt.mode)
		for _, family := range families {
			awaitOwner(t, b, w, otherHost[family], slaveAddrs[family], tt.slave)
			awaitOwner(t, b, w, ownHost[family], ownAddrs[family], tt.own)
		}
	}
}

// followsSlave gives the device another slave, and the first one again.
func followsSlave(t *testing.T, b *testbed.Bed, w *witness) {
	secondCable(t, b, "10.6.0.1/24", "10.6.0.2/24")
	labtest.Run(t, b.Morgana, "ip", "route", "add", "10.8.0.1", "dev", "eth1", "src", "10.6.0.2")
	far := netip.MustParseAddr("10.6.0.2")
	slave := netip.MustParseAddr("10.6.0.1")
	labtest.Set(t, b.Daemon, api.Change{Slave: new("eth1")})
	awaitOwner(t, b, w, far, ownAddrs[4], testbed.Device)
	awaitOwner(t, b, w, far, slave, "eth1")
	awaitOwner(t, b, w, ownHost[6], ownAddrs[6], lab.Link) // still over the first cable
	labtest.Set(t, b.Daemon, api.Change{Slave: new(lab.Link)})
	awaitOwner(t, b, w, far, ownAddrs[4], "eth1")
	awaitOwner(t, b, w, ownHost[6], ownAddrs[6], testbed.Device)
	i := b.AwaitState(t, func(i api.Info) bool { return i.Takes.Idle == "" })
	if !contains(i.Takes.To, ownAddrs[4]) || !slices.Contains(i.Takes.From, "10.8.0.0/24") {
		t.Errorf("the device takes %+v", i.Takes)
	}
}

// secondCable joins the hosts by another cable, with eth1 at both ends.
func secondCable(t testing.TB, b *testbed.Bed, near, far string) {
	t.Helper()
	namespace := labtest.NamespaceOf(t, b.Morgana)
	defer namespace.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth1"
	cable := netlink.NewVeth(attrs)
	cable.PeerName, cable.PeerNamespace = "eth1", netlink.NsFd(int(namespace.Fd()))
	if err := b.Borea.Netlink().LinkAdd(cable); err != nil {
		t.Fatalf("make cable: %v", err)
	}
	labtest.Furnish(t, b.Borea, "eth1", near)
	labtest.Furnish(t, b.Morgana, "eth1", far)
	labtest.Await(t, "carrier of eth1", func() bool { return labtest.CarrierOf(t, b.Borea, "eth1") })
}
