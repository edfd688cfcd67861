package slave

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestLooksLikeItsSlave: packets from insane have the slave's MAC address, and insane has
// the broadcast address of the slave. When the slave changes, insane changes too. Only its
// link-local address differs.
func TestLooksLikeItsSlave(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	testbed.PlugSecond(t, l)
	labtest.Run(t, l.Borea, "ip", "link", "set", "eth1", "broadcast", "02:ff:ff:ff:ff:ff")
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.9.0.3/32")
	looksLike(t, l, "eth0")
	if own := linkLocal(t, l, "insane"); own == "" || own == linkLocal(t, l, "eth0") {
		t.Errorf("link-local address %q, the slave's is %q", own, linkLocal(t, l, "eth0"))
	}

	labtest.Set(t, d, api.Change{Slave: new("eth1")})
	looksLike(t, l, "eth1")
	labtest.Run(t, l.Borea, "ip", "link", "set", "eth1", "address", "02:11:22:33:44:55")
	looksLike(t, l, "eth1")
	labtest.Run(t, l.Borea, "ip", "link", "set", "eth0", "address", "02:aa:aa:aa:aa:aa") // eth0 is not the slave any more
	labtest.Set(t, d, api.Change{TX: new("percent 5")})
	looksLike(t, l, "eth1")
	labtest.Set(t, d, api.Change{Slave: new("eth0")})
	looksLike(t, l, "eth0")
}

// TestLookIsPutBack: a MAC address or an alias that somebody gives insane is replaced by the
// slave's, and what arrives for insane is heard again. The MTU stays: a user may want a
// smaller one.
func TestLookIsPutBack(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2")
	testbed.AwaitCarrier(t, l, true)
	labtest.SetMTU(t, l.Borea, "insane", 1300)
	for range testbed.Soak(t, 3) {
		labtest.Run(t, l.Borea, "ip", "link", "set", "insane", "address", "02:00:00:00:00:01")
		labtest.Run(t, l.Borea, "ip", "link", "set", "insane", "alias", "mine")
		looksLike(t, l, "eth0")
		testbed.PingsAll(t, l.Borea, l.Morgana.IPv4.String())
	}
	testbed.AwaitMTU(t, l, d, 1300)
	if i := labtest.Info(t, d); i.TX.Stats.Relayed.Packets == 0 || i.RX.Stats.Relayed.Packets == 0 {
		t.Errorf("the pings did not go through the device: %+v", i)
	}
}

// looksLike waits until insane has the properties of its slave.
func looksLike(t *testing.T, l *lab.Lab, slave string) {
	t.Helper()
	labtest.Await(t, "insane to look like "+slave, func() bool {
		return look(t, l, "insane") == look(t, l, slave) &&
			labtest.LinkOf(t, l.Borea, "insane").Attrs().Alias == "insane: slave "+slave
	})
}

func look(t *testing.T, l *lab.Lab, name string) string {
	t.Helper()
	dir := "/sys/class/net/" + name + "/"
	return labtest.Run(t, l.Borea, "cat", dir+"address", dir+"broadcast")
}

func linkLocal(t *testing.T, l *lab.Lab, name string) string {
	t.Helper()
	var found string
	labtest.Await(t, "link-local address of "+name, func() bool {
		addrs, err := l.Borea.Netlink().AddrList(labtest.LinkOf(t, l.Borea, name), netlink.FAMILY_V6)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if a.IP.IsLinkLocalUnicast() {
				found = a.IP.String()
			}
		}
		return found != ""
	})
	return found
}

// TestWithoutSlave: a device without a slave has no carrier, and every packet is counted as
// lost for this reason.
func TestWithoutSlave(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--address", "10.9.0.3/32")
	testbed.Silence(t, l)
	if i := labtest.Info(t, d); i.SlaveState != api.SlaveNone || i.Slave != "" || i.Carrier {
		t.Errorf("slave %q is %s, carrier %v", i.Slave, i.SlaveState, i.Carrier)
	}
	testbed.AwaitCarrier(t, l, false)
	before := labtest.Info(t, d).TX.Stats
	const n = 777
	testbed.NewInjector(t, l, "insane").Send(n, 100)
	_, dropped := testbed.SettledStats(t, d, before, n)
	if diff := cmp.Diff(map[string]uint64{api.DropNoSlave: n}, dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	labtest.Set(t, d, api.Change{Slave: new("eth0")})
	testbed.AwaitCarrier(t, l, true)
}

// TestBadSlaves: a link that cannot be a slave is refused in one line that names it, both
// at the start and later, and nothing changes.
func TestBadSlaves(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	labtest.Run(t, l.Borea, "ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
	labtest.Run(t, l.Borea, "ip", "link", "property", "add", "dev", "eth0", "altname", "wired")
	bad := []struct {
		slave, want    string
		atStart, later int // exit codes
	}{
		{"nosuch", "no such device", 1, 1},
		{"wired", "no such device: it is an alternative name of", 1, 1},
		{"tun0", "neither Ethernet nor loopback", 1, 1},
		{"", `""`, 2, 2},
		{"a/b", `"a/b"`, 2, 2},
		{"sixteen-bytes-in", "longer than 15 bytes", 2, 2},
		{"all", "the kernel means every interface by it", 2, 2},
	}
	before := testbed.StateOf(t, l.Borea)
	for _, tt := range bad {
		code, out := labtest.Fails(t, l.Borea, "insane", "--socket", "@bad", "--address", "10.9.0.3/32", "--slave", tt.slave)
		if code != tt.atStart || strings.Count(out, "\n") != 1 || !strings.Contains(out, tt.want) || !strings.HasPrefix(out, "insane: slave") {
			t.Errorf("insane --slave %q: exit code %d, %s", tt.slave, code, out)
		}
		testbed.SameState(t, l.Borea, before)
	}
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--policy", "percent 100", "--seed", "5")
	testbed.AwaitCarrier(t, l, true)
	before = testbed.StateOf(t, l.Borea)
	for _, tt := range bad {
		code, out := labtest.Fails(t, l.Borea, "insanely", "--socket", d.Socket, "--seed", "6", tt.slave, "percent", "7")
		if code != tt.later || strings.Count(out, "\n") != 1 || !strings.Contains(out, tt.want) || !strings.HasPrefix(out, "insanely: slave") {
			t.Errorf("insanely %q: exit code %d, %s", tt.slave, code, out)
		}
		if i := labtest.Info(t, d); i.Slave != "eth0" || i.TX.Policy != "percent 100" || i.Seed != 5 {
			t.Errorf("insanely %q changed the device: %+v", tt.slave, i)
		}
		testbed.SameState(t, l.Borea, before)
	}
	testbed.Relays(t, l, d.Client)
}

// TestLoopbackSlave: a loopback interface can be the slave. It has no MAC address to copy.
func TestLoopbackSlave(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "lo", "--receive", "none", "--address", "10.9.0.3/32")
	testbed.Silence(t, l)
	testbed.AwaitCarrier(t, l, true)
	before := labtest.Info(t, d).TX.Stats
	testbed.NewInjector(t, l, "insane").Send(50, 100)
	after, dropped := testbed.SettledStats(t, d, before, 50)
	if n := after.Relayed.Packets - before.Relayed.Packets; n != 50 || len(dropped) != 0 {
		t.Errorf("relayed %d of 50, dropped %v", n, dropped)
	}
	if labtest.LinkOf(t, l.Borea, "insane").Attrs().RawFlags&unix.IFF_LOOPBACK != 0 {
		t.Error("insane has become a loopback")
	}
}
