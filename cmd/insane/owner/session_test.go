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

// TestOwnerSparesSession: an ssh session over the slave continues, and none of its packets
// reaches insane, while insane drops all packets of another host.
func TestOwnerSparesSession(t *testing.T) {
	testbed.RequireProgram(t, "ping", "tcpdump")
	b := newOwners(t)
	b.Sysctl(t, b.Borea, "ipv4/conf/all/rp_filter", "1")
	believe(t, b, labtest.LinkOf(t, b.Borea, lab.Link), labtest.LinkOf(t, b.Borea, testbed.Device))
	routeHost(t, b, routedHost[4], true)
	b.AwaitState(t, func(i api.Info) bool { return contains(i.Takes.From, routedHost[4]) })
	s := startSSH(t, b).login(t, otherHost[4], slaveAddrs[4])
	pingFrom(t, b, b.Morgana, routedHost[4], slaveAddrs[4], 3)

	awaitRest(t, b)
	near, wired := dumpOf(t, b, b.Borea, testbed.Device, "icmp or tcp"), sshDump(t, b, lab.Link, otherHost[4])
	before := labtest.Set(t, b.Daemon, api.Change{TX: new("percent 0"), RX: new("percent 0")})
	s.converse(t, 50)
	const count = 30
	code, out := labtest.Fails(t, b.Morgana, "ping", "-n", "-q", "-c", fmt.Sprint(count), "-i", "0.002", "-W", "1",
		"-I", routedHost[4].String(), slaveAddrs[4].String())
	if code != 1 || !strings.Contains(out, " 0 received") {
		t.Errorf("ping through nothing ends with %d:\n%s", code, out)
	}
	s.converse(t, 50)
	after := b.AwaitState(t, func(api.Info) bool { return true })
	if took := testbed.Minus(after.RX.Stats.Offered, before.RX.Stats.Offered).Packets; took != count {
		t.Errorf("insane took %d packets, %d were for it", took, count)
	}
	wired.Await(t, "the session on "+lab.Link, func(string) bool { return dumped(wired) >= 200 })
	if n := dumped(near); n != 0 {
		t.Errorf("%d packets were seen on %s, which gets nothing and answers nothing:\n%s", n, testbed.Device, near)
	}
}

// TestOwnerOfTwoSessions: there are two ssh sessions at once, one to the slave's address
// and one to insane's. Each gets its own answers. While insane drops all received packets,
// one session pauses and does not end.
func TestOwnerOfTwoSessions(t *testing.T) {
	testbed.RequireProgram(t, "tcpdump")
	b := newOwners(t)
	b.Sysctl(t, b.Borea, "ipv4/conf/all/rp_filter", "1")
	server := startSSH(t, b)
	for _, family := range families {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			slave := server.login(t, otherHost[family], slaveAddrs[family])
			own := server.login(t, ownHost[family], ownAddrs[family])
			slaveNear, ownNear := sshDump(t, b, testbed.Device, otherHost[family]), sshDump(t, b, testbed.Device, ownHost[family])
			slave.converse(t, 20)
			own.converse(t, 20)

			before := labtest.Set(t, b.Daemon, api.Change{RX: new("percent 0")}).RX.Stats
			own.say(t)
			b.AwaitState(t, func(i api.Info) bool { return i.RX.Stats.Dropped[api.DropPolicy] != before.Dropped[api.DropPolicy] })
			slave.converse(t, 50)
			if !own.silent() {
				t.Error("the session through insane goes on")
			}
			labtest.Set(t, b.Daemon, api.Change{RX: new("pass")})
			own.hear(t)
			own.converse(t, 20)
			slave.converse(t, 20)
			ownNear.Await(t, "the session on "+testbed.Device, func(string) bool { return dumped(ownNear) >= 80 })
			if n := dumped(slaveNear); n != 0 {
				t.Errorf("%d packets of the slave's session were seen on %s:\n%s", n, testbed.Device, slaveNear)
			}
		})
	}
}

// TestOwnerOfTwoNetworks: programs of another host reach both addresses of borea, each
// through its own link. tcpdump shows all arriving packets on the slave, and insane's
// packets on insane.
func TestOwnerOfTwoNetworks(t *testing.T) {
	testbed.RequireProgram(t, "ping", "arping", "iperf3", "tcpdump")
	b := newOwners(t)
	b.Sysctl(t, b.Borea, "ipv4/conf/all/rp_filter", "1")
	for _, tt := range []struct {
		from, to map[int]netip.Addr
		near     bool // seen on insane
	}{{otherHost, slaveAddrs, false}, {ownHost, ownAddrs, true}} {
		for _, family := range families {
			t.Run("ping/"+tt.to[family].String(), func(t *testing.T) { seesPings(t, b, tt.from[family], tt.to[family], tt.near) })
		}
	}
	b.Sysctl(t, b.Borea, "ipv4/conf/all/rp_filter", "0") // arping may use any source address
	t.Run("arping", func(t *testing.T) { answersArping(t, b, slaveAddrs[4], ownAddrs[4]) })
	for _, family := range families {
		for _, args := range [][]string{nil, {"--reverse"}} {
			t.Run(fmt.Sprintf("iperf3/IPv%d%s", family, strings.Join(args, "")), func(t *testing.T) {
				carriesIperf(t, b, ownHost[family], ownAddrs[family], args)
			})
		}
	}
}

// seesPings pings from an address of morgana and checks both links.
func seesPings(t *testing.T, b *testbed.Bed, from, to netip.Addr, near bool) {
	const count = 20
	pingFrom(t, b, b.Morgana, from, to, 1) // resolves the neighbours
	request := map[int]string{4: "icmp[0] == 8", 6: "icmp6 and ip6[40] == 128"}[familyOf(to)]
	onSlave, onDevice := dumpOf(t, b, b.Borea, lab.Link, request), dumpOf(t, b, b.Borea, testbed.Device, request)
	pingFrom(t, b, b.Morgana, from, to, count)
	onSlave.Await(t, "the pings on "+lab.Link, func(string) bool { return dumped(onSlave) >= count })
	want := 0
	if near {
		want = count
	}
	onDevice.Await(t, "the pings on "+testbed.Device, func(string) bool { return dumped(onDevice) >= want })
	if n, m := dumped(onSlave), dumped(onDevice); n != count || m != want {
		t.Errorf("%d pings: %d seen on %s, %d on %s, want %d", count, n, lab.Link, m, testbed.Device, want)
	}
}

// answersArping runs arping in morgana for several addresses at once.
func answersArping(t *testing.T, b *testbed.Bed, to ...netip.Addr) {
	const count = 2
	var wait []func()
	for _, addr := range to {
		c, out := testbed.Background(t, b.Morgana, "arping", "-c", fmt.Sprint(count), "-I", lab.Link, addr.String())
		wait = append(wait, func() {
			err := c.Wait()
			// The two programs of this name have different output.
			if n := testbed.Numbers(t, out.String(), `(?:transmitted, |Received )(\d+) `); n[0] != count || err != nil {
				t.Errorf("not one answer to each of %d requests: %v\n%s", count, err, out)
			}
		})
	}
	for _, done := range wait {
		done()
	}
}

// carriesIperf measures between an address of morgana and an address of borea's device.
func carriesIperf(t *testing.T, b *testbed.Bed, from, to netip.Addr, args []string) {
	before := b.AwaitState(t, func(api.Info) bool { return true })
	const megabytes = 60
	_, server := testbed.Background(t, b.Borea, "iperf3", "-s", "-1", "--forceflush", "-B", to.String())
	server.Await(t, "the server", func(text string) bool { return strings.Contains(text, "Server listening") })
	labtest.Run(t, b.Morgana, "iperf3", append([]string{"-c", to.String(), "-B", from.String(), "-n", fmt.Sprint(megabytes, "M")}, args...)...)
	awaitRest(t, b)
	after := b.AwaitState(t, func(api.Info) bool { return true })
	rx, tx := testbed.Minus(after.RX.Stats.Relayed, before.RX.Stats.Relayed), testbed.Minus(after.TX.Stats.Relayed, before.TX.Stats.Relayed)
	forth, back := rx, tx
	if len(args) > 0 {
		forth, back = tx, rx
	}
	// The end that finishes first does not wait for the last bytes: up to a full send
	// buffer of 4 MB (tcp(7), tcp_wmem).
	if forth.Bytes < megabytes<<20*9/10 || back.Packets == 0 {
		t.Errorf("%d MB were measured, but rx relayed %+v and tx %+v", megabytes, rx, tx)
	}
	labtest.CheckCounters(t, after.RX.Stats)
	labtest.CheckCounters(t, after.TX.Stats)
}

// contains reports whether a list of texts contains a value.
func contains(list []string, want fmt.Stringer) bool {
	for _, have := range list {
		if have == want.String() {
			return true
		}
	}
	return false
}
