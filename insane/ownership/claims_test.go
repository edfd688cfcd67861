package ownership

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
)

// Links of the hosts in the cases.
const (
	onLo = iota + 1
	onSlave
	onDevice
	onBridge // the device is a port of it
	onUpper  // a device whose slave is the device
	onTop    // a bridge that onUpper is a port of
	onOther
)

func someLinks() []host.Link {
	return []host.Link{
		{Index: onTop, Name: "br1"},
		{Index: onUpper, Name: "insane2", Alias: host.AliasPrefix + "insane", Master: onTop},
		{Index: onLo, Name: "lo", Loopback: true},
		{Index: onSlave, Name: "eth0"},
		{Index: onDevice, Name: "insane", Alias: host.AliasPrefix + "eth0", Master: onBridge},
		{Index: onBridge, Name: "br0"},
		{Index: onOther, Name: "eth1", Alias: host.AliasPrefix + "eth2"},
	}
}

// linkNamed returns the index of one of someLinks.
func linkNamed(name string) int {
	for _, l := range someLinks() {
		if l.Name == name {
			return l.Index
		}
	}
	panic(name)
}

// newHost reads lines in the form of ip(8): "LINK ADDRESS/BITS", or "DESTINATION [via
// GATEWAY] dev LINK [metric N]". A second dev or via begins another hop.
func newHost(lines ...string) *HostState {
	o := &HostState{Links: someLinks()}
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) == 2 {
			o.Addresses = append(o.Addresses, host.Address{Link: linkNamed(words[0]), Prefix: netip.MustParsePrefix(words[1])})
			continue
		}
		o.Routes = append(o.Routes, newRoute(words))
	}
	return o
}

func newRoute(words []string) host.RouteEntry {
	r := host.RouteEntry{Dst: netip.MustParsePrefix(words[0])}
	hop := host.Hop{}
	for words = words[1:]; len(words) > 0; words = words[2:] {
		switch words[0] {
		case "via":
			hop.Via = netip.MustParseAddr(words[1])
		case "dev":
			hop.Link = linkNamed(words[1])
			r.Hops = append(r.Hops, hop)
			hop = host.Hop{}
		case "metric":
			fmt.Sscan(words[1], &r.Metric)
		}
	}
	return r
}

// claimText describes a claim in a test.
func claimText(c kern.Claim) string {
	var words []string
	for i, word := range []string{"own", "host", "routed", "subnet", "strict", "proxied"} {
		if c&(1<<i) != 0 {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// claimCases are hosts, and the claims of the device for some addresses.
var claimCases = []struct {
	what              string
	onDevice, onSlave host.Answering
	proxied           []netip.Addr
	host              []string
	want              map[string]string
}{
	{what: "route a host", host: []string{"eth0 192.0.2.1/24", "192.0.2.0/24 dev eth0", "192.0.2.7/32 dev insane"},
		want: map[string]string{"192.0.2.7": "routed", "192.0.2.8": "", "192.0.2.1": "host", "192.0.2.255": ""}},
	{what: "route a host with an address borrowed from the slave",
		host: []string{"eth0 192.0.2.1/24", "insane 192.0.2.1/32", "192.0.2.0/24 dev eth0", "192.0.2.7/32 dev insane"},
		want: map[string]string{"192.0.2.7": "routed", "192.0.2.1": "host", "192.0.2.8": ""}},
	{what: "a second network", host: []string{"eth0 192.0.2.1/24", "insane 10.9.0.1/24",
		"192.0.2.0/24 dev eth0", "10.9.0.0/24 dev insane"},
		want: map[string]string{"10.9.0.1": "own routed subnet", "10.9.0.2": "routed subnet", "10.9.1.2": "",
			"192.0.2.1": "host", "192.0.2.9": "", "0.0.0.0": ""}},
	{what: "a second IPv6 network", host: []string{"eth0 2001:db8::1/64", "insane fd00:9::1/64", "insane fe80::9/64",
		"2001:db8::/64 dev eth0", "fd00:9::/64 dev insane", "fe80::/64 dev eth0", "fe80::/64 dev insane"},
		want: map[string]string{"fd00:9::1": "own routed subnet", "fd00:9::2": "routed subnet", "fe80::9": "own",
			"fe80::1": "", "2001:db8::1": "", "2001:db8::2": "", "::": ""}},
	{what: "an address without a network", host: []string{"insane 10.9.0.1/32", "insane fd00:9::1/128"},
		want: map[string]string{"10.9.0.1": "own", "10.9.0.2": "", "fd00:9::1": "own", "fd00:9::2": ""}},
	{what: "everything, but for the slave's network", host: []string{"eth0 192.0.2.1/24", "insane 10.9.0.1/24",
		"192.0.2.0/24 dev eth0", "10.9.0.0/24 dev insane", "0.0.0.0/0 via 10.9.0.254 dev insane", "10.9.0.77/32 dev eth1"},
		want: map[string]string{"203.0.113.1": "routed", "192.0.2.9": "", "192.0.2.1": "host", "10.9.0.2": "routed subnet",
			"10.9.0.254": "routed subnet", "10.9.0.77": "", "0.0.0.0": "", "0.1.2.3": "", "2001:db8::9": ""}},
	{what: "everything of IPv6", host: []string{"::/0 via fe80::1 dev insane", "fe80::/64 dev eth0", "2001:db8::/32 dev eth0"},
		want: map[string]string{"2000::1": "routed", "2001:db8::9": "", "fe80::1": "", "fe80::2": "",
			"fe80:0:0:1::2": "", "::": "", "::1": "", "::2": "routed", "192.0.2.1": ""}},
	{what: "a gateway in the slave's network", host: []string{"eth0 192.0.2.1/24", "192.0.2.0/24 dev eth0",
		"198.51.100.0/24 via 192.0.2.254 dev insane", "203.0.113.0/24 via 192.0.2.253 dev eth0"},
		want: map[string]string{"192.0.2.254": "", "192.0.2.253": "", "198.51.100.3": "routed", "203.0.113.3": ""}},
	{what: "an IPv6 gateway of an IPv4 route", host: []string{"198.51.100.0/24 via fe80::1 dev insane"},
		want: map[string]string{"198.51.100.3": "routed", "fe80::1": ""}},
	{what: "one network on both, the device's first", host: []string{"eth0 192.0.2.1/24", "insane 192.0.2.2/24",
		"192.0.2.0/24 dev insane", "192.0.2.0/24 dev eth0"},
		want: map[string]string{"192.0.2.2": "own routed subnet", "192.0.2.1": "host routed subnet", "192.0.2.9": "routed subnet"}},
	{what: "one network on both, the slave's first", host: []string{"eth0 192.0.2.1/24", "insane 192.0.2.2/24",
		"192.0.2.0/24 dev eth0", "192.0.2.0/24 dev insane"},
		want: map[string]string{"192.0.2.2": "own", "192.0.2.1": "host", "192.0.2.9": ""}},
	{what: "one network on both, and a metric", host: []string{"eth0 192.0.2.1/24", "insane 192.0.2.2/24",
		"192.0.2.0/24 dev eth0 metric 100", "192.0.2.0/24 dev insane metric 50", "192.0.2.7/32 dev eth0"},
		want: map[string]string{"192.0.2.2": "own routed subnet", "192.0.2.9": "routed subnet", "192.0.2.7": ""}},
	{what: "one network on both, the slave's, but for one host", host: []string{"eth0 192.0.2.1/24", "insane 192.0.2.2/24",
		"192.0.2.0/24 dev eth0", "192.0.2.7/32 dev insane"},
		want: map[string]string{"192.0.2.7": "routed", "192.0.2.9": ""}},
	{what: "several IPv6 routes of one metric", host: []string{"fd00:9::/64 dev insane metric 256", "fd00:9::/64 dev eth0 metric 256",
		"fd00:a::/64 dev eth0 metric 256", "fd00:a::/64 dev insane metric 256"},
		want: map[string]string{"fd00:9::9": "routed", "fd00:a::9": ""}},
	{what: "several ways", host: []string{"10.1.0.0/16 dev insane dev eth0", "10.2.0.0/16 via 192.0.2.3 dev insane via 192.0.2.4 dev insane"},
		want: map[string]string{"10.1.0.1": "", "10.2.0.1": "routed", "192.0.2.3": "", "192.0.2.4": ""}},
	{what: "a network without a route of its own", host: []string{"insane 10.9.0.1/24", "10.9.0.0/25 dev insane",
		"0.0.0.0/0 dev insane", "10.9.0.8/29 dev eth0"},
		want: map[string]string{"10.9.0.2": "routed subnet", "10.9.0.200": "routed subnet", "10.9.0.9": "", "10.8.0.1": "routed"}},
	{what: "networks in networks", host: []string{"insane 10.0.0.1/8", "insane 10.9.0.1/24", "10.0.0.0/8 dev insane",
		"10.9.0.0/24 dev eth0", "10.9.0.128/25 dev insane"},
		want: map[string]string{"10.1.0.1": "routed subnet", "10.9.0.1": "own", "10.9.0.2": "", "10.9.0.200": "routed subnet"}},
	{what: "on a bridge that the device is a port of", host: []string{"br0 10.9.0.1/24", "eth0 192.0.2.1/24",
		"10.9.0.0/24 dev br0", "192.0.2.0/24 dev eth0"},
		want: map[string]string{"10.9.0.1": "own routed subnet", "10.9.0.2": "routed subnet", "192.0.2.1": "host"}},
	{what: "on a device in front of the device", host: []string{"insane2 10.9.0.1/24", "br1 10.8.0.1/24", "eth1 10.7.0.1/24",
		"10.9.0.0/24 dev insane2", "10.8.0.0/24 dev br1", "10.7.0.0/24 dev eth1"},
		want: map[string]string{"10.9.0.1": "own routed subnet", "10.8.0.9": "routed subnet", "10.8.0.1": "own routed subnet",
			"10.7.0.1": "host", "10.7.0.2": ""}},
	{what: "arp_ignore", onDevice: host.Answering{IgnoresARP: true}, onSlave: host.Answering{IgnoresARP: true}, host: []string{"eth0 192.0.2.1/24", "192.0.2.0/24 dev eth0", "192.0.2.7/32 dev insane"},
		want: map[string]string{"192.0.2.7": "routed", "192.0.2.1": ""}},
	{what: "arp_ignore of the slave alone", onSlave: host.Answering{IgnoresARP: true}, host: []string{"eth0 192.0.2.1/24",
		"lo 203.0.113.1/32", "192.0.2.0/24 dev eth0", "192.0.2.7/32 dev insane"},
		want: map[string]string{"192.0.2.7": "routed", "192.0.2.1": "host", "203.0.113.1": ""}},
	{what: "proxy_arp", onSlave: host.Answering{ProxiesARP: true, IgnoresARP: true}, host: []string{"eth0 192.0.2.1/24",
		"lo 203.0.113.1/32", "insane fd00:9::1/64", "192.0.2.0/24 dev eth0", "192.0.2.7/32 dev insane", "192.0.2.64/26 dev eth1"},
		want: map[string]string{"192.0.2.7": "routed proxied", "192.0.2.8": "", "192.0.2.65": "proxied", "192.0.2.1": "host",
			"203.0.113.1": "", "10.0.0.1": "proxied", "fd00:9::1": "own", "fd00:9::2": ""}},
	{what: "proxy_arp for single addresses", proxied: []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8"),
		netip.MustParseAddr("10.0.0.1")}, host: []string{"eth0 192.0.2.1/24", "192.0.2.0/24 dev eth0", "192.0.2.7/32 dev insane"},
		want: map[string]string{"192.0.2.7": "routed proxied", "192.0.2.8": "", "10.0.0.1": "proxied", "10.0.0.2": "", "192.0.2.1": "host"}},
	{what: "proxy_arp of the device alone", onDevice: host.Answering{ProxiesARP: true},
		host: []string{"192.0.2.7/32 dev insane"}, want: map[string]string{"192.0.2.7": "routed", "10.0.0.1": ""}},
	{what: "rp_filter", onDevice: host.Answering{StrictReversePath: true}, onSlave: host.Answering{StrictReversePath: true},
		host: []string{"192.0.2.7/32 dev insane", "2001:db8::7/128 dev insane"},
		want: map[string]string{"192.0.2.7": "routed strict", "10.0.0.1": "strict", "2001:db8::7": "routed", "2001:db8::8": ""}},
	{what: "rp_filter of the slave", onSlave: host.Answering{StrictReversePath: true},
		host: []string{"192.0.2.7/32 dev insane"}, want: map[string]string{"192.0.2.7": "routed strict", "10.0.0.1": ""}},
	{what: "loose rp_filter of links without an address", onDevice: host.Answering{LooseReversePath: true}, onSlave: host.Answering{LooseReversePath: true},
		host: []string{"192.0.2.7/32 dev insane", "insane fd00:9::1/64"}, want: map[string]string{"192.0.2.7": "routed strict", "10.0.0.1": "strict"}},
	{what: "loose rp_filter of links with an address", onDevice: host.Answering{LooseReversePath: true}, onSlave: host.Answering{LooseReversePath: true},
		host: []string{"192.0.2.7/32 dev insane", "insane 192.0.2.2/32", "eth0 192.0.2.1/24"}, want: map[string]string{"192.0.2.7": "routed", "10.0.0.1": ""}},
	{what: "rp_filter of the device", onDevice: host.Answering{StrictReversePath: true},
		host: []string{"192.0.2.7/32 dev insane"}, want: map[string]string{"192.0.2.7": "routed", "10.0.0.1": "strict"}},
	{what: "another's address in a routed network", host: []string{"eth1 10.9.0.5/24", "lo 127.0.0.1/8", "10.9.0.0/24 dev insane"},
		want: map[string]string{"10.9.0.5": "host routed", "127.0.0.1": "host"}},
	{what: "refused", host: []string{"10.0.0.0/8 dev insane", "10.1.0.0/16 metric 1", "10.1.1.0/24 dev insane"},
		want: map[string]string{"10.1.0.1": "", "10.1.1.1": "routed", "10.2.0.1": "routed"}},
}

func TestClaims(t *testing.T) {
	for _, c := range claimCases {
		o := newHost(c.host...)
		o.Slave, o.OnDevice, o.OnSlave, o.Proxied = onSlave, c.onDevice, c.onSlave, c.proxied
		claims := o.Claims(onDevice)
		for addr, want := range c.want {
			if got := claimText(claims.Of(netip.MustParseAddr(addr))); got != want {
				t.Errorf("%s: %s is %q, want %q", c.what, addr, got, want)
			}
		}
	}
}

// Claims returns the claims of the given device, not those of a device above it.
func TestClaimsOfUpperDevice(t *testing.T) {
	o := newHost("insane 10.9.0.1/24", "insane2 10.8.0.1/24", "10.9.0.0/24 dev insane", "10.8.0.0/24 dev insane2")
	claims := o.Claims(onUpper)
	for addr, want := range map[string]string{"10.9.0.1": "host", "10.9.0.2": "", "10.8.0.1": "own routed subnet"} {
		if got := claimText(claims.Of(netip.MustParseAddr(addr))); got != want {
			t.Errorf("%s is %q, want %q", addr, got, want)
		}
	}
	if claims := newHost().Claims(4711); len(claims) > 0 {
		t.Errorf("an index that is no link claims %v", claims)
	}
}

// chance makes random hosts with few addresses, so that all combinations occur.
type chance struct{ *rand.Rand }

func (c chance) addr() netip.Addr {
	n := byte(c.IntN(32))
	switch c.IntN(5) {
	case 0, 1:
		return netip.AddrFrom4([4]byte{10, 0, n & 0x10, n & 0xf})
	case 2:
		return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: n})
	default:
		return netip.AddrFrom16([16]byte{0: 0x20, 7: n & 0x10, 15: n & 0xf})
	}
}

func (c chance) prefix() netip.Prefix {
	addr := c.addr()
	bits := addr.BitLen() - c.IntN(6)
	if c.IntN(4) == 0 {
		bits = c.IntN(addr.BitLen() + 1)
	}
	return netip.PrefixFrom(addr, bits)
}

func (c chance) answering() host.Answering {
	return host.Answering{IgnoresARP: c.IntN(5) == 0, ProxiesARP: c.IntN(3) == 0, StrictReversePath: c.IntN(3) == 0, LooseReversePath: c.IntN(3) == 0}
}

func (c chance) host() *HostState {
	o := &HostState{Links: someLinks(), Slave: onSlave, OnDevice: c.answering(), OnSlave: c.answering()}
	for range c.IntN(8) {
		o.Addresses = append(o.Addresses, host.Address{Link: 1 + c.IntN(onOther), Prefix: c.prefix()})
	}
	for range c.IntN(15) {
		r := host.RouteEntry{Dst: c.prefix().Masked(), Metric: c.IntN(3)}
		for range 1 + c.IntN(6)/5 - c.IntN(8)/7 {
			hop := host.Hop{Link: 2 + c.IntN(3)}
			if c.IntN(3) == 0 {
				hop.Via = c.addr()
			}
			r.Hops = append(r.Hops, hop)
		}
		o.Routes = append(o.Routes, r)
		if c.IntN(4) == 0 { // another link with the same address
			r.Metric, r.Hops = c.IntN(3), []host.Hop{{Link: 2 + c.IntN(3)}}
			o.Routes = append(o.Routes, r)
		}
	}
	return o
}

// naive computes the claim of one address at a time, directly from the rules.
type naive struct {
	*HostState
	above map[int]bool
}

// best returns the route that the host uses for a whole network. It ignores routes to
// addresses that have a meaning only on their link.
func (n naive) best(p netip.Prefix) (best host.RouteEntry, ok bool) {
	for _, r := range n.Routes {
		longer := r.Dst.Bits() - best.Dst.Bits()
		if r.Dst.Bits() <= p.Bits() && r.Dst.Contains(p.Addr()) &&
			(!ok || longer > 0 || longer == 0 && r.Metric < best.Metric) {
			best, ok = r, true
		}
	}
	return best, ok
}

func (n naive) meaningless(p netip.Prefix) bool {
	a := p.Addr().As16()
	return p.Addr().Is4() && p.Bits() >= 8 && a[12] == 0 ||
		p.Addr().Is6() && p.Bits() >= 10 && p.Addr().IsLinkLocalUnicast() ||
		p.Addr().Is6() && p.Bits() >= 127 && (p.Addr().IsUnspecified() || p.Addr().IsLoopback())
}

func (n naive) routed(p netip.Prefix) bool {
	r, ok := n.best(p)
	for _, hop := range r.Hops {
		ok = ok && n.above[hop.Link]
	}
	return ok && len(r.Hops) > 0 && !n.meaningless(p)
}

// settings returns what follows from the settings of IPv4. others: another link has the
// address, and answers whether the device may answer for it.
func (n naive) settings(p netip.Prefix, others, answers bool) (claim kern.Claim) {
	beside := others && !answers
	if r, ok := n.best(p); ok && !n.meaningless(p) {
		through := len(r.Hops) > 0
		for _, hop := range r.Hops {
			through = through && hop.Link == n.Slave
		}
		beside = beside || through
	}
	if n.OnSlave.ProxiesARP && !beside {
		claim |= kern.Proxied
	}
	on, link := n.OnDevice, onDevice
	if n.routed(p) {
		on, link = n.OnSlave, n.Slave
	}
	addressless := true
	for _, a := range n.Addresses {
		addressless = addressless && (a.Link != link || !a.Prefix.Addr().Is4())
	}
	if on.StrictReversePath || on.LooseReversePath && addressless {
		claim |= kern.Strict
	}
	return claim
}

func (n naive) of(addr netip.Addr) (claim kern.Claim) {
	alone := netip.PrefixFrom(addr, addr.BitLen())
	has, others := false, false
	for _, a := range n.Addresses {
		if a.Prefix.Addr() == addr {
			has, others = has || n.above[a.Link], others || !n.above[a.Link]
		}
		if n.above[a.Link] && !a.Prefix.IsSingleIP() && a.Prefix.Contains(addr) &&
			n.routed(a.Prefix.Masked()) && n.routed(alone) {
			claim |= kern.Subnet
		}
	}
	if n.routed(alone) {
		claim |= kern.Routed
	}
	if has && !others {
		claim |= kern.Own
	}
	if !addr.Is4() {
		return claim
	}
	onSlave := slices.ContainsFunc(n.Addresses, func(a host.Address) bool { return a.Link == n.Slave && a.Prefix.Addr() == addr })
	answers := (!n.OnDevice.IgnoresARP || has) && (!n.OnSlave.IgnoresARP || onSlave)
	if others && answers {
		claim |= kern.Host
	}
	return claim | n.settings(netip.PrefixFrom(addr, 32), others, answers)
}

// On random hosts, Claims gives every address the claim that the rules give.
func TestClaimsAgainstNaive(t *testing.T) {
	c := chance{rand.New(rand.NewPCG(2000, 13))}
	above := map[int]bool{onDevice: true, onBridge: true, onUpper: true, onTop: true}
	seen := make(map[kern.Claim]int)
	for range 2000 {
		o := c.host()
		claims, reference := o.Claims(onDevice), naive{o, above}
		for range 30 {
			addr := c.addr()
			got, want := claims.Of(addr), reference.of(addr)
			if got != want {
				t.Fatalf("%v is %q, want %q, to\naddresses %v\nroutes %v\nclaims %v", addr, claimText(got), claimText(want),
					o.Addresses, o.Routes, claims)
			}
			seen[want]++
		}
	}
	for bit := kern.Own; bit <= kern.Proxied; bit <<= 1 {
		n := 0
		for claim, count := range seen {
			if claim&bit != 0 {
				n += count
			}
		}
		if n < 250 {
			t.Errorf("%q was met %d times only: the test is weak", claimText(bit), n)
		}
	}
}

// A host with a hundred thousand routes.
func BenchmarkClaims(b *testing.B) {
	const routes = 100_000
	o := newHost("insane 10.9.0.1/24", "10.9.0.0/24 dev insane", "0.0.0.0/0 via 10.9.0.254 dev insane", "::/0 via fe80::1 dev insane")
	for i := range routes {
		r := host.RouteEntry{Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 0}), 24),
			Hops: []host.Hop{{Link: onSlave}}}
		if i%2 == 0 {
			r.Dst = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(i >> 16), byte(i >> 8), byte(i)}), 48)
		}
		o.Routes = append(o.Routes, r)
	}
	for b.Loop() {
		if claims := o.Claims(onDevice); len(claims) < routes {
			b.Fatalf("%d claims", len(claims))
		}
	}
}
