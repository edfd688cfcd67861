package bench

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
)

// naive is the simplest relay, for comparison: it reads a frame of one MTU from a TAP and
// writes it to a packet socket. It has no virtio header, no batches and no policy. Its
// arguments are the names of the TAP and of the slave.
func naive() {
	if err := naiveRelay(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "naive:", err)
		os.Exit(1)
	}
}

func naiveRelay(name, slave string) error {
	tap, err := water.New(water.Config{
		DeviceType:             water.TAP,
		PlatformSpecificParams: water.PlatformSpecificParams{Name: name},
	})
	if err != nil {
		return err
	}
	link, err := net.InterfaceByName(slave)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
		return err
	}
	for buf := make([]byte, 2048); ; {
		n, err := tap.Read(buf)
		if err != nil {
			return err
		}
		if _, err := unix.Write(fd, buf[:n]); err != nil && err != unix.ENOBUFS {
			return err
		}
	}
}

// startNaive routes what borea sends to morgana through the naive relay.
func startNaive(b *testing.B, l *lab.Lab) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := l.Borea.Command(ctx, "naive", "naive0", lab.Link)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cancel(); cmd.Wait() })
	far, err := l.Morgana.Netlink().LinkByName(lab.Link)
	if err != nil {
		b.Fatal(err)
	}
	err = l.Borea.Do(func() error { return leadThrough("naive0", l.Morgana.IPv4, far.Attrs().HardwareAddr) })
	if err != nil {
		b.Fatal(err)
	}
}

// leadThrough routes a host through the naive relay after the relay has started. The relay
// receives nothing, so it cannot resolve neighbours; the caller gives the MAC address of
// the host.
func leadThrough(name string, to netip.Addr, mac net.HardwareAddr) error {
	var tap netlink.Link
	for deadline := time.Now().Add(testbed.Longest); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if tap, err = netlink.LinkByName(name); err == nil {
			break
		} else if time.Now().After(deadline) {
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
