package host

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// ip runs commands of iproute2, one a line, in the namespace of the test.
func ip(t *testing.T, commands string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// routeText is "DST metric N: LINK[ via GATEWAY], …".
func (l *Links) routeText(t *testing.T, r RouteEntry) string {
	t.Helper()
	var hops []string
	for _, h := range r.Hops {
		link, err := l.ByIndex(h.Link)
		must(t, err)
		text := link.Name
		if h.Via.IsValid() {
			text += " via " + h.Via.String()
		}
		hops = append(hops, text)
	}
	return fmt.Sprintf("%s metric %d: %s", r.Dst, r.Metric, strings.Join(hops, ", "))
}

// Every kind of route of the main table, as far as it says where packets go.
func TestRoutes(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	for _, name := range []string{"near", "far"} {
		sysctl(t, "net/ipv6/conf/"+name+"/accept_dad", "0")
		sysctl(t, "net/ipv6/conf/"+name+"/addr_gen_mode", "1")
		sysctl(t, "net/ipv6/conf/"+name+"/disable_ipv6", "0")
	}
	ip(t, `addr add 192.0.2.1/24 dev near
addr add 2001:db8::1/64 dev near nodad
addr add 10.9.0.1/32 dev far
route add default via 192.0.2.254 metric 7
route add 10.1.0.0/16 nexthop via 192.0.2.3 dev near nexthop dev far
route add 10.2.0.0/16 via inet6 fe80::1 dev near
route add blackhole 10.3.0.0/16
route add unreachable 10.4.0.0/16
route add 10.5.0.0/16 dev near tos 0x10
route add 10.6.0.0/16 dev near metric 20
route add 10.6.0.0/16 dev far metric 10
route add 10.7.0.0/16 dev near table 100
route add 10.8.0.7 dev far
nexthop add id 1 via 192.0.2.3 dev near
nexthop add id 2 via 192.0.2.4 dev near
nexthop add id 3 group 1/2
nexthop add id 4 blackhole
route add 10.21.0.0/16 nhid 1
route add 10.22.0.0/16 nhid 3
route add 10.23.0.0/16 nhid 4
route add ::/0 via fe80::1 dev near
route add 2001:db8:1::/48 nexthop via fe80::2 dev near nexthop via fe80::3 dev far
route add blackhole 2001:db8:2::/48
route add 2001:db8:3::/48 dev far metric 5
route add 2001:db8:3::7/128 dev near table 100
`)
	found, err := l.Routes()
	must(t, err)
	var got []string
	for _, r := range found {
		if !r.Dst.Addr().IsMulticast() && !r.Dst.Addr().IsLinkLocalUnicast() {
			got = append(got, l.routeText(t, r))
		}
	}
	want := []string{
		"0.0.0.0/0 metric 7: near via 192.0.2.254",
		"10.1.0.0/16 metric 0: near via 192.0.2.3, far",
		"10.2.0.0/16 metric 0: near via fe80::1",
		"10.3.0.0/16 metric 0: ",
		"10.4.0.0/16 metric 0: ",
		"10.6.0.0/16 metric 10: far",
		"10.6.0.0/16 metric 20: near",
		"10.8.0.7/32 metric 0: far",
		"10.21.0.0/16 metric 0: near via 192.0.2.3",
		"10.22.0.0/16 metric 0: near via 192.0.2.3, near via 192.0.2.4",
		"10.23.0.0/16 metric 0: ",
		"192.0.2.0/24 metric 0: near",
		"2001:db8:1::/48 metric 1024: near via fe80::2, far via fe80::3",
		"2001:db8:2::/48 metric 1024: ",
		"2001:db8:3::/48 metric 5: far",
		"2001:db8::/64 metric 256: near",
		"::/0 metric 1024: near via fe80::1",
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("missing %s", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("unexpected %s", g)
		}
	}
	if at := func(s string) int { return slices.Index(got, s) }; at(want[5]) > at(want[6]) {
		t.Error("the routes are not in the kernel's order")
	}
}

// Routes of one network over several links come in the order in which the host
// looks at them.
func TestRoutesOfOneMetric(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	for _, name := range []string{"far", "near"} {
		sysctl(t, "net/ipv6/conf/"+name+"/disable_ipv6", "0")
		ip(t, "addr add 2001:db8::"+fmt.Sprint(len(name))+"/64 dev "+name+" nodad")
	}
	ip(t, `addr add 10.9.0.1/24 dev far
addr add 10.9.0.2/24 dev near`)
	found, err := l.Routes()
	must(t, err)
	for _, dst := range []string{"10.9.0.0/24", "2001:db8::/64"} {
		var first RouteEntry
		n := 0
		for _, r := range found {
			if r.Dst.String() == dst {
				if n == 0 {
					first = r
				}
				n++
			}
		}
		p := netip.MustParsePrefix(dst)
		host := p.Addr().AsSlice()
		host[len(host)-1] = 77
		way, err := l.h.RouteGet(host)
		must(t, err)
		if n != 2 || len(way) == 0 || first.Hops[0].Link != way[0].LinkIndex {
			t.Errorf("%s: %d routes, %+v comes first, but the host takes %+v", dst, n, first, way)
		}
	}
}

// Routes with the same way share it, so that many of them need little memory.
func TestRoutesShareWays(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	ip(t, `addr add 192.0.2.1/24 dev near
route add 10.1.0.0/16 via 192.0.2.3
route add 10.2.0.0/16 via 192.0.2.4
route add 10.3.0.0/16 via 192.0.2.3
`)
	found, err := l.Routes()
	must(t, err)
	ways := make(map[string]*Hop)
	for _, r := range found {
		if len(r.Hops) > 0 {
			ways[r.Dst.String()] = &r.Hops[0]
		}
	}
	if ways["10.1.0.0/16"] == nil || ways["10.1.0.0/16"] != ways["10.3.0.0/16"] || ways["10.1.0.0/16"] == ways["10.2.0.0/16"] {
		t.Errorf("ways at %v", ways)
	}
}

// All addresses with their networks, also while they are looked for duplicates of,
// and the near one of a pair.
func TestAddresses(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	sysctl(t, "net/ipv6/conf/near/addr_gen_mode", "1")
	sysctl(t, "net/ipv6/conf/near/disable_ipv6", "0")
	ip(t, `addr add 192.0.2.1/24 dev near
addr add 192.0.2.2/24 dev near
addr add 10.9.0.1/32 dev far
addr add 10.8.0.1 peer 10.8.0.2/32 dev far
addr add 2001:db8::1/64 dev near
addr add 2001:db8::9/128 dev near nodad
`)
	found, err := l.Addresses()
	must(t, err)
	var got []string
	for _, a := range found {
		link, err := l.ByIndex(a.Link)
		must(t, err)
		got = append(got, link.Name+" "+a.Prefix.String())
	}
	slices.Sort(got)
	want := []string{"far 10.8.0.1/32", "far 10.9.0.1/32", "lo 127.0.0.1/8", "lo ::1/128", "near 192.0.2.1/24",
		"near 192.0.2.2/24", "near 2001:db8::1/64", "near 2001:db8::9/128"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A list that changed while it was read is read again, but not for ever.
func TestDump(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		interrupted int
		then        error
		calls       int
		want        error
	}{
		{0, nil, 1, nil},
		{3, nil, 4, nil},
		{2, boom, 3, boom},
		{dumpTries - 1, nil, dumpTries, nil},
		{1000, nil, dumpTries, netlink.ErrDumpInterrupted},
	} {
		calls := 0
		list, err := dump(func() ([]int, error) {
			if calls++; calls <= c.interrupted {
				return []int{1}, fmt.Errorf("list: %w", netlink.ErrDumpInterrupted)
			}
			return []int{1, 2}, c.then
		})
		if calls != c.calls || !errors.Is(err, c.want) || c.want == nil && (err != nil || len(list) != 2) {
			t.Errorf("%+v: %d calls, %v, %v", c, calls, list, err)
		}
	}
}

// Of the setting of a link and that of all links the greater one counts. Both are
// those of the process, so this one has a namespace of its own.
func TestSettings(t *testing.T) {
	l := ownLinks(t)
	if l == nil {
		return
	}
	newVeth(t, l, "near", "far")
	for _, c := range []struct {
		all, near       string
		ignores, strict bool
	}{
		{"0", "0", false, false}, {"1", "0", true, true}, {"0", "1", true, true},
		{"0", "2", true, false}, {"2", "1", true, false}, {"1", "2", true, false}, {"1", "1", true, true},
	} {
		for _, key := range []string{"arp_ignore", "proxy_arp", "rp_filter"} {
			sysctl(t, "net/ipv4/conf/all/"+key, c.all)
			sysctl(t, "net/ipv4/conf/near/"+key, c.near)
		}
		want := Answering{IgnoresARP: c.ignores, ProxiesARP: c.ignores, StrictReversePath: c.strict, LooseReversePath: !c.strict && c.ignores}
		if got := AnsweringOn("near"); got != want {
			t.Errorf("%s and %s: %+v, want %+v", c.all, c.near, got, want)
		}
		if got := StrictReversePath("near"); got != c.strict {
			t.Errorf("rp_filter %s and %s: strict: %v", c.all, c.near, got)
		}
	}
	sysctl(t, "net/ipv4/conf/all/arp_ignore", "0")
	if AnsweringOn("nothing").IgnoresARP {
		t.Error("a link that is not there ignores ARP")
	}
}

// Watch wakes for everything that Routes and Addresses show.
func TestWatchRoutes(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	w := watch(t)
	newVeth(t, w.links, "near", "far")
	sysctl(t, "net/ipv6/conf/near/disable_ipv6", "0")
	for _, change := range []string{
		"addr add 192.0.2.1/24 dev near",
		"route add 10.9.0.0/24 dev near",
		"route change 10.9.0.0/24 via 192.0.2.3",
		"route del 10.9.0.0/24",
		"route add blackhole 10.9.0.0/24",
		"addr add 2001:db8::1/64 dev near nodad",
		"route add 2001:db8:1::/48 dev near",
		"route del 2001:db8:1::/48 dev near",
		"nexthop add id 7 via 192.0.2.3 dev near",
		"route add 10.10.0.0/16 nhid 7",
		"nexthop replace id 7 dev near",
		"nexthop del id 7",
		"link set near master br0",
		"link set near promisc on",
		"link set near alias somebody",
		"link set far down",
		"addr del 192.0.2.1/24 dev near",
	} {
		if strings.Contains(change, "br0") {
			ip(t, "link add br0 type bridge")
		}
		before := w.quiet()
		ip(t, change)
		await(t, "a wake-up after "+change, func() bool { return w.wakes.Load() > before })
	}
}
