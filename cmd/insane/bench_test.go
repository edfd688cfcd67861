package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// The benchmarks compare ways between borea and morgana in one run, so that what
// else the machine does cancels out: the bare veth pair, the device in front of
// it, and the naive relay. `make bench` alternates them many times and lets
// benchstat judge. In a race-detector build they mean nothing.

// benchNet has a pair of addresses for each way.
type benchNet struct {
	*lab.Lab
	daemon *lab.Daemon // nil: there is no device
	paths  []benchPath
}

// benchPath is a way from an address of borea to one of morgana and back.
type benchPath struct {
	name          string
	near, far     netip.Addr
	transmitsOnly bool // what morgana sends does not go this way
}

// The two ends of a network in which the device has an address of its own, and
// morgana's address behind the naive relay.
var (
	ownNear = netip.MustParseAddr("10.8.0.1")
	ownFar  = netip.MustParseAddr("10.8.0.2")
	naiveTo = netip.MustParseAddr("10.9.0.6")
)

// newBenchNet makes the lab, a device that passes everything in both directions,
// and a naive relay in front of the same slave.
func newBenchNet(b *testing.B) *benchNet {
	b.Helper()
	n := newDeviceNet(b)
	near, m := n.Borea.IPv4, n.Morgana
	n.paths = []benchPath{
		{name: "direct", near: near, far: m.SpareIPv4},
		{name: "route", near: near, far: m.IPv4},
		{name: "own", near: ownNear, far: ownFar},
		{name: "naive", near: near, far: naiveTo, transmitsOnly: true},
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := n.Borea.Command(ctx, "naive", "naive0", lab.Link)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cancel(); cmd.Wait() })
	mac := n.addAddress(b, naiveTo)
	if err := n.Borea.Do(func() error { return leadThrough("naive0", naiveTo, mac) }); err != nil {
		b.Fatal(err)
	}
	n.paths = inTurn(n.paths)
	return n
}

// newDeviceNet makes the lab and a device that has something of everything to
// take: a host that is routed through it, and an address and a network of its own.
func newDeviceNet(b *testing.B) *benchNet {
	b.Helper()
	l := newLab(b)
	n := &benchNet{Lab: l, daemon: newDaemon(b, l,
		"--slave", lab.Link, "--route", l.Morgana.IPv4.String(), "--address", ownNear.String()+"/24")}
	n.addAddress(b, ownFar)
	return n
}

// inTurn turns a list around for every other run, so that drift cancels out.
func inTurn[T any](list []T) []T {
	if os.Getenv("INSANE_BENCH_REVERSE") != "" {
		slices.Reverse(list)
	}
	return list
}

// addAddress gives morgana another address, and returns the MAC address of it.
func (n *benchNet) addAddress(b *testing.B, addr netip.Addr) net.HardwareAddr {
	b.Helper()
	h := n.Morgana.Netlink()
	link, err := h.LinkByName(lab.Link)
	if err != nil {
		b.Fatal(err)
	}
	prefix := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(24, 32)}
	if err := h.AddrAdd(link, &netlink.Addr{IPNet: prefix}); err != nil {
		b.Fatal(err)
	}
	return link.Attrs().HardwareAddr
}

// leadThrough routes a host through the naive relay once it is there. What the
// relay does not receive cannot resolve neighbours, so morgana's address is given.
func leadThrough(name string, to netip.Addr, mac net.HardwareAddr) error {
	var tap netlink.Link
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if tap, err = netlink.LinkByName(name); err == nil {
			break
		} else if time.Now().After(end) {
			return fmt.Errorf("naive relay does not start: %w", err)
		}
	}
	if err := netlink.LinkSetUp(tap); err != nil {
		return err
	}
	dst := &net.IPNet{IP: to.AsSlice(), Mask: net.CIDRMask(32, 32)}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: tap.Attrs().Index, Dst: dst, Scope: netlink.SCOPE_LINK}); err != nil {
		return err
	}
	return netlink.NeighSet(&netlink.Neigh{
		LinkIndex: tap.Attrs().Index, IP: to.AsSlice(), State: netlink.NUD_PERMANENT, HardwareAddr: mac,
	})
}

// benchEnd is one end of a way.
type benchEnd struct {
	host *lab.Host
	addr netip.Addr
}

// ends are those of a way on which the host of that name sends.
func (n *benchNet) ends(p benchPath, from string) (sender, receiver benchEnd) {
	near, far := benchEnd{n.Borea, p.near}, benchEnd{n.Morgana, p.far}
	if from == n.Borea.Name {
		return near, far
	}
	return far, near
}

// each runs a benchmark for each way, with either host sending.
func (n *benchNet) each(b *testing.B, run func(b *testing.B, sender, receiver benchEnd)) {
	for _, from := range []string{n.Borea.Name, n.Morgana.Name} {
		for _, p := range n.paths {
			if p.transmitsOnly && from != n.Borea.Name {
				continue
			}
			sender, receiver := n.ends(p, from)
			b.Run("from="+from+"/path="+p.name, func(b *testing.B) { run(b, sender, receiver) })
		}
	}
	n.checkBooks(b)
}

// checkBooks makes a run void whose books do not balance.
func (n *benchNet) checkBooks(b *testing.B) {
	b.Helper()
	if n.daemon != nil {
		state := info(b, n.daemon)
		checkBooks(b, state.TX.Stats)
		checkBooks(b, state.RX.Stats)
	}
}

func (e benchEnd) listenTCP(b *testing.B) net.Listener {
	b.Helper()
	var l net.Listener
	err := e.host.Do(func() (err error) {
		l, err = net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(e.addr, 0)))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

// dial connects to an address of the other end.
func (e benchEnd) dial(b *testing.B, to net.Addr) net.Conn {
	b.Helper()
	var local net.Addr = &net.TCPAddr{IP: e.addr.AsSlice()}
	if to.Network() == "udp" {
		local = &net.UDPAddr{IP: e.addr.AsSlice()}
	}
	var c net.Conn
	err := e.host.Do(func() (err error) {
		d := net.Dialer{Timeout: longest, LocalAddr: local}
		c, err = d.Dial(to.Network(), to.String())
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}
