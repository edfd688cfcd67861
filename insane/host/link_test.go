package host

import (
	"errors"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// A Link has the values that the kernel shows.
func TestLinks(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	lo, near := linkOf(t, l, "lo"), linkOf(t, l, "near")
	if lo.Index != 1 || !lo.Loopback || lo.Ethernet || !lo.Up || !lo.Carrier || lo.MTU != 65536 {
		t.Errorf("lo is %+v", lo)
	}
	if !near.Ethernet || near.Loopback || !near.Up || near.MTU != 1500 || len(near.MAC) != 6 {
		t.Errorf("near is %+v", near)
	}
	again, err := l.ByIndex(near.Index)
	if err != nil || again.Name != "near" || again.MAC.String() != near.MAC.String() {
		t.Errorf("by index: %+v, %v; want %+v", again, err, near)
	}
	// When the other end goes down, the link loses its carrier and stays up.
	must(t, l.h.LinkSetDown(handleOf(t, l, "far")))
	if near = linkOf(t, l, "near"); !near.Up || near.Carrier {
		t.Errorf("%+v, want it up and without carrier", near)
	}
}

// Every look-up of a link that does not exist returns ErrNoLink.
func TestNoLink(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	must(t, l.h.LinkAddAltName(handleOf(t, l, "near"), "alternative"))
	for _, name := range []string{"", "eth0", "alternative", "a-name-of-16-byte", strings.Repeat("x", 200), "near ", "\x00"} {
		if link, err := l.ByName(name); !errors.Is(err, ErrNoLink) {
			t.Errorf("%q: %+v, %v; want %v", name, link, err, ErrNoLink)
		}
	}
	for _, index := range []int{4711, 1 << 30} {
		if link, err := l.ByIndex(index); !errors.Is(err, ErrNoLink) {
			t.Errorf("%d: %+v, %v; want %v", index, link, err, ErrNoLink)
		}
	}
}

// A link of another type is neither Ethernet nor loopback.
func TestLinkType(t *testing.T) {
	l := newNamespace(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "tun0"
	tun := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TUN, NonPersist: true, Queues: 1}
	must(t, l.h.LinkAdd(tun))
	defer tun.Fds[0].Close()
	if link := linkOf(t, l, "tun0"); link.Ethernet || link.Loopback {
		t.Errorf("%+v", link)
	}
}
