package slave

import (
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestTopologyIPv6BesideTheSlave: device and slave have the same MAC address but different
// IPv6 addresses, including link-local ones. Each answers for its own addresses. Each also
// defends them when a third host wants one.
func TestTopologyIPv6BesideTheSlave(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", lab.Link, "--address", "fd00:8::1/64", "--address", "fd00:9::3/128")
	testbed.AwaitCarrier(t, l, true)
	testbed.StateOf(t, l.Borea)
	labtest.Run(t, l.Morgana, "ip", "address", "add", "fd00:8::2/64", "dev", lab.Link, "nodad")
	slaves, own := linkLocal(t, l, lab.Link), linkLocal(t, l, testbed.Device)
	if slaves == own {
		t.Fatalf("both have the link-local address %s", own)
	}
	all := []string{"fd00:9::1", "fd00:9::3", "fd00:8::1"}
	for _, address := range all {
		testbed.PingsAll(t, l.Morgana, address)
	}
	testbed.PingsAll(t, l.Morgana, slaves+"%"+lab.Link)
	testbed.PingsAll(t, l.Morgana, own+"%"+lab.Link)

	third := testbed.NewGuest(t, l, "port0", "10.9.0.6/24")
	elsewhere := labtest.NamespaceOf(t, l.Morgana)
	defer elsewhere.Close()
	testbed.Move(t, l.Borea, "port0", elsewhere, "port0")
	labtest.Run(t, l.Morgana, "ip", "link", "add", "br0", "up", "type", "bridge")
	for _, port := range []string{lab.Link, "port0"} {
		labtest.Run(t, l.Morgana, "ip", "link", "set", port, "up", "master", "br0")
	}
	labtest.Run(t, third, "sh", "-c", "cd /proc/sys/net/ipv6/conf/eth0 && echo 1 >accept_dad && echo 1 >dad_transmits")
	for _, address := range append(all, slaves, own) {
		duplicate(t, third, address, true)
	}
	duplicate(t, third, "fd00:9::77", false)
	labtest.Set(t, d, api.Change{RX: new("percent 0")})
	duplicate(t, third, "fd00:8::1", true) // solicitations are spared
	labtest.Set(t, d, api.Change{JudgeNeighbours: new(true)})
	duplicate(t, third, "fd00:9::1", true)  // this address belongs to the slave
	duplicate(t, third, "fd00:8::1", false) // no host can know that
	if i := labtest.Info(t, d).RX; i.Stats.Neighbour.Packets == 0 || i.Verdicts.Drop == 0 {
		t.Errorf("the solicitations did not go through the device: %+v", i)
	}
	testbed.Balanced(t, d)
}

// duplicate makes a host look for a duplicate of an address that it wants, and fails if the
// result is not as expected (RFC 4862 section 5.4).
func duplicate(t testing.TB, h *lab.Host, address string, want bool) {
	t.Helper()
	labtest.Run(t, h, "ip", "address", "add", address+"/64", "dev", lab.Link)
	defer labtest.Run(t, h, "ip", "address", "del", address+"/64", "dev", lab.Link)
	var found netlink.Addr
	labtest.Await(t, "the search for duplicates of "+address, func() bool {
		addrs, err := h.Netlink().AddrList(labtest.LinkOf(t, h, lab.Link), netlink.FAMILY_V6)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(addrs, func(a netlink.Addr) bool { return a.IP.String() == address })
		if i < 0 {
			return false
		}
		found = addrs[i]
		return found.Flags&unix.IFA_F_TENTATIVE == 0 || found.Flags&unix.IFA_F_DADFAILED != 0
	})
	if failed := found.Flags&unix.IFA_F_DADFAILED != 0; failed != want {
		t.Errorf("%s is a duplicate: %v, want %v", address, failed, want)
	}
}
