package testbed

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// awaitIPv6 waits until an address of borea can be used as source. The kernel keeps a new
// address tentative for a moment even if it looks for no duplicates (net/ipv6/addrconf.c,
// addrconf_dad_work).
func (b *Bed) awaitIPv6(t testing.TB, name string, want netip.Addr) {
	t.Helper()
	on := labtest.LinkOf(t, b.Borea, name)
	for deadline := time.Now().Add(Longest); ; time.Sleep(time.Millisecond) {
		addrs, err := b.Borea.Netlink().AddrList(on, netlink.FAMILY_V6)
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range addrs {
			if addr.IP.Equal(want.AsSlice()) && addr.Flags&unix.IFA_F_TENTATIVE == 0 {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s of borea cannot use %s: %v", name, want, addrs)
		}
	}
}

// knowEachOther adds permanent neighbour entries, so that ARP and neighbour discovery need
// not ask.
func (b *Bed) knowEachOther(t testing.TB, near netlink.Link) {
	t.Helper()
	wired, far := labtest.LinkOf(t, b.Borea, lab.Link), labtest.LinkOf(t, b.Morgana, lab.Link)
	know(t, b.Borea, near, far, b.Morgana.IPv4, b.Morgana.IPv6)
	know(t, b.Borea, wired, far, b.Morgana.IPv4, b.Morgana.IPv6)
	know(t, b.Morgana, far, wired, b.Borea.IPv4, b.Borea.IPv6)
}

// know adds neighbour entries of a host: addresses are at the MAC address of a link.
func know(t testing.TB, h *lab.Host, through, at netlink.Link, addrs ...netip.Addr) {
	t.Helper()
	for _, addr := range addrs {
		neighbour := &netlink.Neigh{
			LinkIndex: through.Attrs().Index, IP: addr.AsSlice(),
			HardwareAddr: at.Attrs().HardwareAddr, State: netlink.NUD_PERMANENT,
		}
		if err := h.Netlink().NeighSet(neighbour); err != nil {
			t.Fatalf("set neighbour %s of %s: %v", addr, h.Name, err)
		}
	}
}

// keepOrder makes one CPU receive all packets for both hosts. Otherwise a veth queues each
// packet at the CPU that sends it (net/core/dev.c, enqueue_to_backlog), and a sender that
// moves to another CPU would seem to reorder.
func (b *Bed) keepOrder(t testing.TB) {
	t.Helper()
	const script = "for queue in /sys/class/net/" + lab.Link + "/queues/rx-*; do echo 1 > $queue/rps_cpus; done"
	for _, h := range []*lab.Host{b.Borea, b.Morgana} {
		if out, err := h.Command(context.Background(), "sh", "-c", script).CombinedOutput(); err != nil {
			t.Fatalf("steer packets of %s to one processor: %v\n%s", h.Name, err, out)
		}
	}
}

// Sysctl sets a value below net/ of a host.
func (b *Bed) Sysctl(t testing.TB, h *lab.Host, name, value string) {
	t.Helper()
	err := h.Do(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
	if err != nil {
		t.Fatalf("set %s of %s: %v", name, h.Name, err)
	}
}

// KernelBefore reports whether the running kernel is older than major.minor.
func KernelBefore(t testing.TB, major, minor int) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	have := [2]int{}
	for i, field := 0, 0; i < len(name.Release) && field < 2; i++ {
		if c := name.Release[i]; c >= '0' && c <= '9' {
			have[field] = have[field]*10 + int(c-'0')
		} else {
			field++
		}
	}
	return have[0] < major || have[0] == major && have[1] < minor
}
