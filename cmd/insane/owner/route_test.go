package owner

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestOwnerRoutesAHost: packets of a host that is routed through insane meet the policies
// in both directions, for each way to route it, even if borea has a strict reverse path
// check. If a host has a better route through another link, its packets stay with the
// slave.
func TestOwnerRoutesAHost(t *testing.T) {
	testbed.RequireProgram(t, "ping")
	b := newOwners(t)
	b.Sysctl(t, b.Borea, "ipv4/conf/all/rp_filter", "1")
	for _, tt := range []struct {
		name, route string   // the routes lead through insane
		elsewhere   string   // another one, through the slave; "" none
		takes       string   // the addresses that insane takes for the route
		to, spared  string   // a host behind the route, and a host that is not
		behind      []string // addresses of morgana that are on none of her links
	}{
		{"host", "10.9.0.2", "", "10.9.0.2", "10.9.0.2", "10.9.0.4", nil},
		{"host6", "fd00:9::2", "", "fd00:9::2", "fd00:9::2", "fd00:9::4", nil},
		{"prefix", "10.9.0.2/31", "", "10.9.0.2/31", "10.9.0.2", "10.9.0.4", nil},
		{"prefix6", "fd00:9::2/127", "", "fd00:9::2/127", "fd00:9::2", "fd00:9::4", nil},
		{
			"gateway", "10.7.0.0/24 via 10.9.0.2 onlink", "", "10.7.0.0/24",
			"10.7.0.1", "10.9.0.4", []string{"10.7.0.1"},
		},
		{
			"gateway6", "fd00:9::2; fd00:7::/64 via fd00:9::2", "", "fd00:7::/64",
			"fd00:7::1", "fd00:9::4", []string{"fd00:7::1"},
		},
		{
			"default", "default via 10.9.0.2 onlink", "10.66.1.0/24 via 10.9.0.4", "0.0.0.0/0",
			"10.66.0.1", "10.66.1.1", []string{"10.66.0.1", "10.66.1.1"},
		},
		{ // through morgana's link-local address, which is made from her MAC address
			"default6", "default via fe80::9:ff:fe00:2", "fd00:66:1::/64 via fd00:9::4", "::/0",
			"fd00:66::1", "fd00:66:1::1", []string{"fd00:66::1", "fd00:66:1::1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to := netip.MustParseAddr(tt.to)
			for _, addr := range tt.behind {
				labtest.Run(t, b.Morgana, "ip", "address", "add", addr, "dev", "lo")
			}
			// The usual way for a user: the device uses the address of the slave.
			for route := range strings.SplitSeq(tt.route, "; ") {
				addRoute(t, b, testbed.Device, slaveAddrs[familyOf(to)], route)
			}
			if tt.elsewhere != "" {
				addRoute(t, b, lab.Link, slaveAddrs[familyOf(to)], tt.elsewhere)
			}
			ip(t, b, "neigh", "flush", "dev", testbed.Device)
			awaitUsable(t, b)
			b.AwaitState(t, func(i api.Info) bool { return slices.Contains(i.Takes.From, tt.takes) })
			faultsPing(t, b, to)
			faultsTCP(t, b, to)
			spares(t, b, netip.MustParseAddr(tt.spared))
		})
	}
}

func familyOf(addr netip.Addr) int {
	if addr.Is4() {
		return 4
	}
	return 6
}

// addRoute adds a route, in the syntax of ip(8), until the test ends.
func addRoute(t testing.TB, b *testbed.Bed, link string, from netip.Addr, text string) {
	t.Helper()
	words := append(strings.Fields(text), "dev", link, "src", from.String())
	family := fmt.Sprintf("-%d", familyOf(from))
	ip(t, b, append([]string{family, "route", "add"}, words...)...)
	t.Cleanup(func() { ip(t, b, append([]string{family, "route", "del"}, words...)...) })
}

// faultsPing pings while insane drops half of the packets that it receives. Exactly the
// pings whose reply is relayed are answered, and every reply comes in through insane.
func faultsPing(t *testing.T, b *testbed.Bed, to netip.Addr) {
	t.Helper()
	pingFrom(t, b, b.Borea, netip.Addr{}, to, 1) // resolves the neighbours
	awaitRest(t, b)
	before := labtest.Set(t, b.Daemon, api.Change{RX: new("percent 50"), Seed: new(uint64(5))}).RX.Stats
	heard := echoReplies(t, b, to)
	pingFrom(t, b, b.Borea, netip.Addr{}, to, testbed.Pings)
	awaitRest(t, b)
	heard = echoReplies(t, b, to) - heard
	s := b.AwaitState(t, func(api.Info) bool { return true }).RX
	offered := testbed.Minus(s.Stats.Offered, before.Offered).Packets
	// Messages that are no answers may have come meanwhile.
	if others := offered - testbed.Pings; offered < testbed.Pings || s.Verdicts.Relay < heard || s.Verdicts.Relay > heard+others {
		t.Errorf("%d requests: %d frames came in through insane, verdicts %+v, borea heard %d replies",
			testbed.Pings, offered, s.Verdicts, heard)
	}
	testbed.CheckRate(t, int(offered), int(s.Verdicts.Relay), "50")
	labtest.Set(t, b.Daemon, api.Change{RX: new("pass")})
}

// echoReplies returns how many echo replies borea has received.
func echoReplies(t testing.TB, b *testbed.Bed, from netip.Addr) uint64 {
	t.Helper()
	if from.Is4() {
		return b.Counter(t, b.Borea, "snmp", "Icmp:InEchoReps")
	}
	return b.Counter(t, b.Borea, "snmp6", "Icmp6InEchoReplies")
}

// awaitRest waits until no packet passes in either direction.
func awaitRest(t testing.TB, b *testbed.Bed) {
	t.Helper()
	var last api.Info
	b.AwaitState(t, func(now api.Info) bool {
		rests := now.TX.Stats.Offered == last.TX.Stats.Offered && now.RX.Stats.Offered == last.RX.Stats.Offered
		last = now
		if !rests {
			time.Sleep(testbed.LaterQuiet)
		}
		return rests
	})
}

// faultsTCP sends a stream with losses in both directions.
func faultsTCP(t *testing.T, b *testbed.Bed, to netip.Addr) {
	t.Helper()
	before := labtest.Set(t, b.Daemon, api.Change{RX: new("percent 90"), TX: new("percent 99")})
	transfer(t, b.Borea, b.Morgana, to, 6<<20)
	after := labtest.Set(t, b.Daemon, api.Change{RX: new("pass"), TX: new("pass")})
	for name, d := range map[string][2]api.Stats{
		"tx": {before.TX.Stats, after.TX.Stats}, "rx": {before.RX.Stats, after.RX.Stats},
	} {
		labtest.CheckCounters(t, d[1])
		if lost := testbed.Minus(d[1].Dropped[api.DropPolicy], d[0].Dropped[api.DropPolicy]); lost.Packets == 0 {
			t.Errorf("nothing of the stream was lost in %s: %+v", name, d[1])
		}
	}
}

// spares fails unless a host that is not routed through insane can communicate, while no
// packet passes insane.
func spares(t *testing.T, b *testbed.Bed, host netip.Addr) {
	t.Helper()
	awaitRest(t, b)
	before := labtest.Set(t, b.Daemon, api.Change{RX: new("percent 0"), TX: new("percent 0")}).RX.Stats
	const count = 20
	heard := echoReplies(t, b, host)
	pingFrom(t, b, b.Borea, netip.Addr{}, host, count)
	// ping may end before the last answers.
	labtest.Await(t, fmt.Sprintf("%d answers of %s while insane lets nothing through", count, host), func() bool {
		return echoReplies(t, b, host)-heard == count
	})
	after := labtest.Set(t, b.Daemon, api.Change{RX: new("pass"), TX: new("pass")}).RX.Stats
	// Others may have sent something meanwhile.
	if took := testbed.Minus(after.Offered, before.Offered).Packets; took >= count {
		t.Errorf("insane took %d frames while %s sent %d", took, host, count)
	}
}

// pingFrom sends echo requests from a host, with a source address if one is given. At least
// one must be answered. It returns the output of ping.
func pingFrom(t testing.TB, b *testbed.Bed, h *lab.Host, source, to netip.Addr, count int) (out string) {
	t.Helper()
	args := []string{"-n", "-q", "-c", fmt.Sprint(count), "-i", "0.002", "-W", "5"}
	if source.IsValid() {
		args = append(args, "-I", source.String())
	}
	return labtest.Run(t, h, "ping", append(args, to.String())...)
}

// transfer sends random bytes from one host to an address of the other, and checks that the
// same bytes arrive.
func transfer(t *testing.T, from, to *lab.Host, addr netip.Addr, size int64) {
	t.Helper()
	var l net.Listener
	var out net.Conn
	err := to.Do(func() (err error) { l, err = net.Listen("tcp", net.JoinHostPort(addr.String(), "0")); return err })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	arrived := make(chan string, 1)
	go func() {
		defer close(arrived)
		in, err := l.Accept()
		if err != nil {
			return // the receiver then finds no hash
		}
		defer in.Close()
		_ = in.SetDeadline(time.Now().Add(3 * testbed.Longest))
		h := sha256.New()
		_, err = io.Copy(h, in)
		arrived <- fmt.Sprintf("%x, %v", h.Sum(nil), err)
	}()
	err = from.Do(func() (err error) { out, err = net.DialTimeout("tcp", l.Addr().String(), testbed.Longest); return err })
	if err != nil {
		t.Fatal(err)
	}
	_ = out.SetDeadline(time.Now().Add(3 * testbed.Longest))
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, h), io.LimitReader(rand.NewChaCha8([32]byte{7}), size)); err != nil {
		t.Fatalf("send to %s: %v", addr, err)
	}
	out.Close()
	if got, want := <-arrived, fmt.Sprintf("%x, <nil>", h.Sum(nil)); got != want {
		t.Errorf("sent %s to %s, what arrived is %s", want, addr, got)
	}
}
