package host

import (
	"fmt"
	"strings"
	"testing"
)

// The interface has the settings of its slave, keeps what a user gives it until those change,
// and is never stricter than its slave.
func TestAdoptSettings(t *testing.T) {
	l := ownLinks(t)
	if l == nil {
		return
	}
	newVeth(t, l, "near", "far")
	tap := openTAP(t, l, "insane")
	adopt := func() {
		t.Helper()
		s, err := l.Settings(linkOf(t, l, "near"))
		must(t, err)
		must(t, tap.AdoptSettings(s))
	}
	expect := func(want map[string]string) {
		t.Helper()
		for key, value := range want {
			if got := readSysctl(t, "net/"+key); got != value {
				t.Errorf("%s is %s, want %s", key, got, value)
			}
		}
	}
	shared := map[string]string{"proxy_arp": "1", "forwarding": "1", "route_localnet": "1", "arp_announce": "2", "medium_id": "-1", "send_redirects": "0"}
	want := make(map[string]string)
	for key, value := range shared {
		sysctl(t, "net/ipv4/conf/near/"+key, value)
		want["ipv4/conf/insane/"+key] = value
	}
	sysctl(t, "net/ipv4/neigh/near/proxy_delay", "8")
	sysctl(t, "net/ipv6/conf/near/forwarding", "1")
	for _, key := range []string{"accept_redirects", "accept_source_route", "drop_unicast_in_l2_multicast", "seg6_enabled"} {
		flipped := map[string]string{"0": "1", "1": "0"}[readSysctl(t, "net/ipv6/conf/insane/"+key)]
		sysctl(t, "net/ipv6/conf/near/"+key, flipped)
		want["ipv6/conf/insane/"+key] = flipped
	}
	sysctl(t, "net/ipv6/conf/near/hop_limit", "50")
	want["ipv6/conf/insane/hop_limit"] = "50"
	want["ipv4/neigh/insane/proxy_delay"], want["ipv6/conf/insane/forwarding"] = "8", "1"
	// Other settings decide about ARP requests, and a strict check stays where it is.
	sysctl(t, "net/ipv4/conf/near/arp_ignore", "1")
	sysctl(t, "net/ipv4/conf/near/rp_filter", "1")
	sysctl(t, "net/ipv4/conf/insane/rp_filter", "2")
	want["ipv4/conf/insane/arp_ignore"], want["ipv4/conf/insane/rp_filter"] = "0", "2"
	adopt()
	expect(want)

	sysctl(t, "net/ipv4/conf/insane/proxy_arp", "0")
	sysctl(t, "net/ipv4/conf/insane/rp_filter", "1")
	adopt()
	expect(map[string]string{"ipv4/conf/insane/proxy_arp": "0", "ipv4/conf/insane/rp_filter": "1"})
	sysctl(t, "net/ipv4/conf/near/rp_filter", "2")
	adopt()
	expect(map[string]string{"ipv4/conf/insane/proxy_arp": "1", "ipv4/conf/insane/rp_filter": "0"})
	want["ipv4/conf/insane/rp_filter"] = "0"
	// Single addresses come back when the interface was down.
	proxied := func() string {
		list, err := l.Proxied(linkOf(t, l, "insane").Index)
		must(t, err)
		return fmt.Sprint(list)
	}
	ip(t, "neigh add proxy 10.1.0.1 dev near\nneigh add proxy 10.1.0.2 dev near\nneigh add proxy 10.1.0.3 dev insane")
	adopt()
	if got := proxied(); !strings.Contains(got, "10.1.0.1") || !strings.Contains(got, "10.1.0.2") || !strings.Contains(got, "10.1.0.3") {
		t.Errorf("proxies for %s", got)
	}
	ip(t, "link set insane up\nlink set insane down\nneigh del proxy 10.1.0.1 dev near")
	adopt()
	if got := proxied(); got != "[10.1.0.2]" {
		t.Errorf("proxies for %s, want that of the slave", got)
	}
	if err := tap.AdoptSettings(Settings{}); err != nil {
		t.Errorf("settings that nobody has read: %v", err)
	}
	expect(want)
}
