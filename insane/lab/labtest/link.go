package labtest

import (
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// SetUp sets Link of a host up, or down.
func SetUp(t testing.TB, h *lab.Host, up bool) {
	t.Helper()
	link, set := LinkOf(t, h, lab.Link), h.Netlink().LinkSetDown
	if up {
		set = h.Netlink().LinkSetUp
	}
	if err := set(link); err != nil {
		t.Fatalf("set %s of %s up=%v: %v", lab.Link, h.Name, up, err)
	}
}

// SetMTU sets the MTU of a link of a host.
func SetMTU(t testing.TB, h *lab.Host, name string, mtu int) {
	t.Helper()
	if err := h.Netlink().LinkSetMTU(LinkOf(t, h, name), mtu); err != nil {
		t.Fatalf("set MTU of %s of %s to %d: %v", name, h.Name, mtu, err)
	}
}

// LinkOf returns a link of a host as it is now. The test fails if there is no such link.
func LinkOf(t testing.TB, h *lab.Host, name string) netlink.Link {
	t.Helper()
	link, err := h.Netlink().LinkByName(name)
	if err != nil {
		t.Fatalf("find %s of %s: %v", name, h.Name, err)
	}
	return link
}

// CarrierOf returns the carrier as the kernel reports it, not as the daemon does.
func CarrierOf(t testing.TB, h *lab.Host, name string) bool {
	t.Helper()
	return LinkOf(t, h, name).Attrs().RawFlags&unix.IFF_LOWER_UP != 0
}

// Furnish adds addresses, in CIDR notation, to a link of a host, and sets it up.
func Furnish(t testing.TB, h *lab.Host, name string, prefixes ...string) {
	t.Helper()
	link := LinkOf(t, h, name)
	for _, prefix := range prefixes {
		address, err := netlink.ParseAddr(prefix)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Netlink().AddrAdd(link, address); err != nil {
			t.Fatalf("add %s to %s: %v", prefix, name, err)
		}
	}
	if err := h.Netlink().LinkSetUp(link); err != nil {
		t.Fatalf("set %s up: %v", name, err)
	}
}

// NamespaceOf returns the network namespace of a host, as a file.
func NamespaceOf(t testing.TB, h *lab.Host) (f *os.File) {
	t.Helper()
	err := h.Do(func() (err error) {
		f, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}
