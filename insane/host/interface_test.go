package host

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// The kernel shows what the methods have set.
func TestTAPLooks(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "eth0", "peer")
	must(t, l.setBroadcast(linkOf(t, l, "eth0").Index, net.HardwareAddr{1, 2, 3, 4, 5, 6}))
	tap := openTAP(t, l, "insane")
	must(t, tap.SetUp())
	must(t, tap.Adopt(linkOf(t, l, "eth0")))
	must(t, tap.SetMTU(9000))
	must(t, tap.SetAlias("insane: slave eth0"))
	must(t, tap.SetCarrier(true))
	link := linkOf(t, l, "insane")
	link.TxDropped = 0 // IPv6 may have tried to send already
	want := Link{Index: tap.Index(), Name: "insane", Alias: "insane: slave eth0", Ethernet: true,
		MTU: 9000, MAC: linkOf(t, l, "eth0").MAC, Up: true, Carrier: true, QueueLen: queueFrames, Queues: 1}
	if fmt.Sprint(link) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", link, want)
	}
	if got, err := l.broadcast(tap.Index()); err != nil || got.String() != "01:02:03:04:05:06" {
		t.Errorf("broadcast address %v (%v), want that of the slave", got, err)
	}
	must(t, tap.SetCarrier(false))
	if linkOf(t, l, "insane").Carrier {
		t.Error("carrier stayed")
	}
	must(t, tap.Adopt(linkOf(t, l, "lo")))
	if got := linkOf(t, l, "insane").MAC; got.String() != want.MAC.String() {
		t.Errorf("MAC %s after adopting lo, want it unchanged", got)
	}
}

// An error names what was refused, and the interface stays as it was.
func TestTAPRefusals(t *testing.T) {
	l := newNamespace(t)
	tap := openTAP(t, l, "insane")
	for want, err := range map[string]error{
		"set MTU of insane to 67":    tap.SetMTU(67),
		"set MTU of insane to 65522": tap.SetMTU(65522),
		"set alias of insane":        tap.SetAlias(strings.Repeat("x", 300)),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if link := linkOf(t, l, "insane"); link.MTU != 1500 || link.Alias != "" {
		t.Errorf("%+v changed", link)
	}
}

// checkQuiet fails if IPv6 of the device would send questions.
func checkQuiet(t *testing.T) {
	t.Helper()
	for _, key := range []string{"accept_dad", "accept_ra", "router_solicitations"} {
		if got := readSysctl(t, "net/ipv6/conf/insane/"+key); got != "0" {
			t.Errorf("%s is %s, want 0", key, got)
		}
	}
	if got := readSysctl(t, "net/ipv6/conf/insane/addr_gen_mode"); got != "3" {
		t.Errorf("addr_gen_mode is %s, want 3: random", got)
	}
}

// IPv6 that the kernel has taken off with the MTU comes back with the same settings.
func TestTAPRenewsIPv6(t *testing.T) {
	l := newNamespace(t)
	tap := openTAP(t, l, "insane")
	must(t, tap.SetUp())
	for _, mtu := range []int{1280, 1279, 68, 1280, 1500, 576, 9000} {
		must(t, tap.SetMTU(mtu))
		if mtu >= MinIPv6MTU {
			checkQuiet(t)
		}
	}
}

// An interface that is set up again has a link-local address afterwards, however often that is
// done: what tells of its return from another namespace may be heard twice.
func TestTAPRenewedTwice(t *testing.T) {
	l := newNamespace(t)
	tap := openTAP(t, l, "insane")
	must(t, tap.SetUp())
	must(t, tap.SetCarrier(true))
	for renewed := range 3 {
		await(t, fmt.Sprintf("a link-local address, renewed %d times", renewed), func() bool {
			addrs, err := l.h.AddrList(tap.link, unix.AF_INET6)
			must(t, err)
			return len(addrs) == 1 && addrs[0].IP.IsLinkLocalUnicast()
		})
		must(t, tap.Renew())
	}
	checkQuiet(t)
}

// Two interfaces with one MAC address do not get one link-local address, and the kernel
// does not look for duplicates of the random one.
func TestTAPLinkLocal(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "eth0", "peer")
	tap := openTAP(t, l, "insane")
	checkQuiet(t)
	must(t, tap.Adopt(linkOf(t, l, "eth0")))
	must(t, tap.SetUp())
	must(t, tap.SetCarrier(true))
	var addrs []netlink.Addr
	await(t, "a link-local address", func() (there bool) {
		var err error
		addrs, err = l.h.AddrList(tap.link, unix.AF_INET6)
		must(t, err)
		return len(addrs) > 0
	})
	mac := linkOf(t, l, "eth0").MAC
	// By default the kernel makes this address from the MAC address (RFC 4291,
	// appendix A).
	derived := net.IP{0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}
	if len(addrs) != 1 || !addrs[0].IP.IsLinkLocalUnicast() || addrs[0].IP.Equal(derived) {
		t.Errorf("%v, want one link-local address other than %s", addrs, derived)
	}
	awaitUsable(t, l, "insane")
	defer time.AfterFunc(20*time.Second, func() { tap.Close() }).Stop()
	frames, err := tap.Read(0)
	must(t, err)
	const nextHeader, icmpv6Type, ndSolicitation = 14 + 6, 14 + 40, 135 // RFC 8200 §3, RFC 4443 §2.1, RFC 4861 §4.3
	for _, f := range frames {
		e := f[frame.HeaderLen:]
		fromNobody := bytes.Equal(e[22:38], net.IPv6unspecified)
		if e[nextHeader] == unix.IPPROTO_ICMPV6 && e[icmpv6Type] == ndSolicitation && fromNobody {
			t.Errorf("the kernel asks whether somebody has the address already (RFC 4862 §5.4): % x", e)
		}
	}
}

// After the MTU was too small for IPv6, the link-local address is random again.
func TestTAPLinkLocalAfterSmallMTU(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "eth0", "peer")
	tap := openTAP(t, l, "insane")
	must(t, tap.Adopt(linkOf(t, l, "eth0")))
	must(t, tap.SetUp())
	must(t, tap.SetCarrier(true))
	must(t, tap.SetMTU(1279))
	must(t, tap.SetMTU(1280))
	checkQuiet(t)
	mac := linkOf(t, l, "insane").MAC
	derived := net.IP{0xfe, 0x80, 15: 0}
	copy(derived[8:], []byte{mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]})
	await(t, "a link-local address", func() bool {
		addrs, err := l.h.AddrList(tap.link, unix.AF_INET6)
		must(t, err)
		for _, a := range addrs {
			if a.IP.Equal(derived) {
				t.Fatalf("%s is the slave's address", a.IP)
			}
		}
		return len(addrs) == 1 && addrs[0].IP.IsLinkLocalUnicast()
	})
}
