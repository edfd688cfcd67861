package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely"
)

// linkOf is a link of a host as it is now; it must be there.
func linkOf(t testing.TB, h *lab.Host, name string) netlink.Link {
	t.Helper()
	link, err := h.Netlink().LinkByName(name)
	if err != nil {
		t.Fatalf("%s of %s: %v", name, h.Name, err)
	}
	return link
}

// carrierOf is what the kernel says, not what the daemon believes.
func carrierOf(t testing.TB, h *lab.Host, name string) bool {
	t.Helper()
	return linkOf(t, h, name).Attrs().RawFlags&unix.IFF_LOWER_UP != 0
}

// awaitCarrier waits until the host sees insane with carrier, or without.
func awaitCarrier(t testing.TB, l *lab.Lab, want bool) {
	t.Helper()
	what := "insane to have no carrier"
	if want {
		what = "insane to have carrier"
	}
	eventually(t, what, func() bool { return carrierOf(t, l.Borea, "insane") == want })
}

// unplug deletes the link of borea that is called so, and with it the cable.
func unplug(t testing.TB, l *lab.Lab, name string) {
	t.Helper()
	if err := l.Borea.Netlink().LinkDel(linkOf(t, l.Borea, name)); err != nil {
		t.Fatalf("delete %s: %v", name, err)
	}
}

// plug makes a cable like the one of the lab, borea's end called name and with
// that index; 0 is any.
func plug(t testing.TB, l *lab.Lab, name string, index int) {
	t.Helper()
	namespace := namespaceOf(t, l.Morgana)
	defer namespace.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Index = name, index
	veth := netlink.NewVeth(attrs)
	veth.PeerName = lab.Link
	veth.PeerNamespace = netlink.NsFd(int(namespace.Fd()))
	if err := l.Borea.Netlink().LinkAdd(veth); err != nil {
		t.Fatalf("make cable: %v", err)
	}
	furnishLink(t, l.Morgana, lab.Link, "10.9.0.2/24", "10.9.0.4/24", "fd00:9::2/64", "fd00:9::4/64")
	furnishLink(t, l.Borea, name, "10.9.0.1/24", "fd00:9::1/64")
}

func furnishLink(t testing.TB, h *lab.Host, name string, prefixes ...string) {
	t.Helper()
	link := linkOf(t, h, name)
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

// namespaceOf is the network namespace of a host, as a file.
func namespaceOf(t testing.TB, h *lab.Host) (f *os.File) {
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

// relays fails unless everything that is sent to morgana arrives, however long it
// takes, and goes through the device. The policy must be pass.
func relays(t testing.TB, l *lab.Lab, c *insanely.Client) {
	t.Helper()
	const count = 50
	before := relayed(t, c)
	var in net.PacketConn
	var out net.Conn
	err := errors.Join(
		l.Morgana.Do(func() (err error) {
			in, err = net.ListenPacket("udp", net.JoinHostPort(l.Morgana.IPv4.String(), "0"))
			return err
		}),
		l.Borea.Do(func() (err error) {
			out, err = net.Dial("udp", in.LocalAddr().String())
			return err
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	for k := range count {
		if _, err := out.Write([]byte{byte(k)}); err != nil {
			t.Fatalf("send: %v", err)
		}
	}
	in.SetReadDeadline(time.Now().Add(patience))
	for arrived := range count {
		if _, _, err := in.ReadFrom(make([]byte, 10)); err != nil {
			t.Fatalf("%d of %d packets arrived: %v", arrived, count, err)
		}
	}
	// The relay enters a batch in its counters when all of it is sent.
	eventually(t, fmt.Sprintf("the counters to say that %d packets went through the device", count), func() bool {
		return relayed(t, c)-before >= count
	})
}

// relayed is how many packets the device has sent.
func relayed(t testing.TB, c *insanely.Client) uint64 {
	t.Helper()
	stats, err := c.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return stats.TX.Relayed.Packets
}

// awaitRoutes waits until the routes that the device was started with lead
// through it, with the slave's addresses as sources.
func awaitRoutes(t testing.TB, l *lab.Lab) {
	t.Helper()
	for dst, source := range map[string]netip.Addr{"10.9.0.2": l.Borea.IPv4, "fd00:9::2": l.Borea.IPv6} {
		eventually(t, "a route to "+dst+" with source "+source.String(), func() bool {
			routes, err := l.Borea.Netlink().RouteGet(net.ParseIP(dst))
			if err != nil || len(routes) != 1 {
				return false
			}
			src, _ := netip.AddrFromSlice(routes[0].Src)
			return routes[0].LinkIndex == linkOf(t, l.Borea, "insane").Attrs().Index && src.Unmap() == source
		})
	}
}
