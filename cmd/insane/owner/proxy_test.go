package owner

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

func anyState(api.Info) bool { return true }

// TestOwnerProxyARP: borea answers for addresses behind her other link, exactly once, also
// to a host that she routes through insane, and to no host for one that is on its own link.
// Only the slave has the settings that ask for it; a strict reverse path check is no
// hindrance, and later changes of the settings are followed.
func TestOwnerProxyARP(t *testing.T) {
	b := newOwners(t)
	ip(t, b, "link", "add", "up0", "type", "veth", "peer", "name", "up1")
	ip(t, b, "link", "set", "up0", "up")
	ip(t, b, "link", "set", "up1", "up")
	ip(t, b, "route", "add", "10.77.0.0/16", "dev", "up0")
	routeHost(t, b, routedHost[4], true)
	b.Sysctl(t, b.Borea, "ipv4/neigh/"+lab.Link+"/proxy_delay", "0")
	a := newAsker(t, b, readARP)
	far, near := netip.MustParseAddr("10.77.0.7"), netip.MustParseAddr("10.9.0.9")
	for i, s := range []struct {
		proxy, strict, forwarding string
		plain, routed             int // answers to a host of either kind that asks for the far address
	}{
		{"0", "0", "1", 0, 0},
		{"1", "0", "1", 1, 1},
		{"1", "1", "1", 1, 1},
		{"1", "1", "0", 0, 0},
		{"1", "2", "1", 1, 1},
		{"0", "1", "1", 0, 0},
		{"0", "0", "1", 1, 1}, // by a single address, from here on
		{"0", "1", "1", 1, 1},
	} {
		if i == 6 {
			ip(t, b, "neigh", "add", "proxy", far.String(), "dev", lab.Link)
			ip(t, b, "neigh", "add", "proxy", routedHost[4].String(), "dev", lab.Link)
		}
		for key, value := range map[string]string{"forwarding": s.forwarding, "proxy_arp": s.proxy, "rp_filter": s.strict} {
			b.Sysctl(t, b.Borea, "ipv4/conf/"+lab.Link+"/"+key, value)
		}
		labtest.Await(t, "the settings of the slave to hold on insane", func() bool {
			got := labtest.Run(t, b.Borea, "cat", "/proc/sys/net/ipv4/conf/"+testbed.Device+"/proxy_arp",
				"/proc/sys/net/ipv4/conf/"+testbed.Device+"/forwarding", "/proc/sys/net/ipv4/neigh/"+testbed.Device+"/proxy_delay")
			return got == s.proxy+"\n"+s.forwarding+"\n0\n"
		})
		// insane reads its routes after the settings, and shows the routes.
		mark := netip.AddrFrom4([4]byte{10, 99, 0, byte(i)})
		routeHost(t, b, mark, true)
		b.AwaitState(t, func(i api.Info) bool { return slices.Contains(i.Takes.From, mark.String()) })
		if i >= 6 {
			labtest.Await(t, "the single addresses to hold on insane", func() bool {
				return strings.Count(labtest.Run(t, b.Borea, "ip", "neigh", "show", "proxy", "dev", testbed.Device), "\n") == 2
			})
		}
		t.Run(fmt.Sprint(i)+"/proxy_arp="+s.proxy+"/rp_filter="+s.strict+"/forwarding="+s.forwarding, func(t *testing.T) {
			var questions []question
			for _, q := range []struct {
				what         string
				from, target netip.Addr
				want         int
			}{
				{"another host for an address behind another link", otherHost[4], far, s.plain},
				{"a routed host for an address behind another link", routedHost[4], far, s.routed},
				{"another host for a routed one", otherHost[4], routedHost[4], 0},
				{"a routed host for another", routedHost[4], otherHost[4], 0},
				{"a routed host for nobody", routedHost[4], near, 0},
				{"another host for nobody", otherHost[4], near, 0},
				{"a routed host for the slave", routedHost[4], slaveAddrs[4], 1},
			} {
				mac := a.stranger()
				questions = append(questions, question{name: q.what, key: mac.String(), want: q.want,
					frame: arpRequest([]byte{255, 255, 255, 255, 255, 255}, mac, q.from, q.target)})
			}
			a.ask(t, questions)
		})
	}
}
