package owner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// change makes a random change of borea.
type change func(random *rand.Rand) error

// changer makes one change after the other until it is stopped.
type changer struct {
	made  atomic.Int64
	quit  context.CancelFunc
	group sync.WaitGroup
	err   error // valid after group.Wait
}

func startChanging(b *testbed.Bed, changes []change) *changer {
	ctx, quit := context.WithCancel(context.Background())
	c := &changer{quit: quit}
	random := rand.New(rand.NewPCG(3, 4))
	c.group.Go(func() {
		for ctx.Err() == nil && c.err == nil {
			c.err = changes[random.IntN(len(changes))](random)
			c.made.Add(1)
			time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond)
		}
	})
	return c
}

func (c *changer) count() int { return int(c.made.Load()) }

func (c *changer) stop(t testing.TB) {
	t.Helper()
	c.quit()
	if c.group.Wait(); c.err != nil {
		t.Errorf("change %d: %v", c.count(), c.err)
	}
}

// harmless are changes after which every address of the test still is on some link and
// every policy is pass.
func harmless(t testing.TB, b *testbed.Bed) []change {
	t.Helper()
	// The receive mode changes most often, because the switch has several steps.
	device := changeDevice(b, "pass", "percent 100", "time 1h 0")
	changes := []change{device, device, changeClaims(t, b)}
	for _, family := range families {
		far := routedHost[family]
		changes = append(changes,
			toggleRoute(t, b, netip.PrefixFrom(far, far.BitLen()), netip.Addr{}),
			toggleRoute(t, b, netip.PrefixFrom(far, 0).Masked(), far),
			moveAddress(t, b, map[int]netip.Addr{4: b.Borea.SpareIPv4, 6: b.Borea.SpareIPv6}[family]),
		)
	}
	return changes
}

// harmful are changes that may lose packets.
func harmful(t testing.TB, b *testbed.Bed) []change {
	t.Helper()
	changes := []change{changeDevice(b, "pass", "percent 50", "percent 0", "time 5ms 5ms"), toggleLink(t, b)}
	for _, family := range families {
		own := ownAddrs[family]
		bits := map[int]int{4: 24, 6: 64}[family]
		changes = append(changes, toggleAddress(t, b, netip.PrefixFrom(own, bits)))
	}
	return changes
}

// changeDevice changes the receive mode and the policies.
func changeDevice(b *testbed.Bed, policies ...string) change {
	return func(random *rand.Rand) error {
		mode := api.ReceiveModes()[random.IntN(3)]
		tx, rx := policies[random.IntN(len(policies))], policies[random.IntN(len(policies))]
		if mode == api.ReceiveNone {
			rx = "pass"
		}
		_, err := b.Daemon.Client.Set(context.Background(), api.Change{Receive: &mode, TX: &tx, RX: &rx})
		if errors.Is(err, context.DeadlineExceeded) {
			return nil // the machine is busy; a later change is made
		}
		return err
	}
}

// changeClaims adds an address to the device that receives no packets, or removes it.
func changeClaims(t testing.TB, b *testbed.Bed) change {
	h, link := b.Borea.Netlink(), labtest.LinkOf(t, b.Borea, testbed.Device)
	return func(random *rand.Rand) error {
		addr := addressOf(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 7, byte(random.IntN(8)), 1}), 24))
		if err := h.AddrAdd(link, addr); !errors.Is(err, unix.EEXIST) {
			return err
		}
		return h.AddrDel(link, addr)
	}
}

// toggleRoute adds a route for a prefix through the device, with a gateway if there is one,
// or removes the route.
func toggleRoute(t testing.TB, b *testbed.Bed, to netip.Prefix, via netip.Addr) change {
	h, link := b.Borea.Netlink(), labtest.LinkOf(t, b.Borea, testbed.Device)
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: netOf(to), Priority: 5}
	if via.IsValid() {
		route.Gw, route.Flags = via.AsSlice(), int(netlink.FLAG_ONLINK)
	}
	there := false
	return func(*rand.Rand) error {
		there = !there
		if there {
			err := h.RouteReplace(route)
			if errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.EINVAL) {
				return nil // the device is down
			}
			return named(err, "add route to %s", to)
		}
		if err := h.RouteDel(route); !errors.Is(err, unix.ESRCH) { // a device that goes down loses its routes
			return named(err, "delete route to %s", to)
		}
		return nil
	}
}

// moveAddress moves an address from the slave to the device and back. In between both have
// it, so that it never is missing.
func moveAddress(t testing.TB, b *testbed.Bed, addr netip.Addr) change {
	t.Helper()
	h := b.Borea.Netlink()
	places := []netlink.Link{labtest.LinkOf(t, b.Borea, lab.Link), labtest.LinkOf(t, b.Borea, testbed.Device)}
	address := addressOf(netip.PrefixFrom(addr, addr.BitLen()))
	at := 0
	if err := h.AddrReplace(places[at], address); err != nil {
		t.Fatal(err)
	}
	both := false
	return func(*rand.Rand) error {
		if both = !both; both {
			return named(h.AddrReplace(places[1-at], address), "add %s", addr)
		}
		if !usable(h, places[1-at], addr) {
			both = true
			return nil // no packet received yet
		}
		at = 1 - at
		return named(h.AddrDel(places[1-at], address), "delete %s", addr)
	}
}

// usable reports whether a link has the address and it is not tentative.
func usable(h *netlink.Handle, link netlink.Link, addr netip.Addr) bool {
	list, err := h.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return false
	}
	for _, a := range list {
		if a.IP.Equal(addr.AsSlice()) && a.Flags&unix.IFA_F_TENTATIVE == 0 {
			return true
		}
	}
	return false
}

// toggleAddress removes an address from the device and adds it again.
func toggleAddress(t testing.TB, b *testbed.Bed, p netip.Prefix) change {
	h, link := b.Borea.Netlink(), labtest.LinkOf(t, b.Borea, testbed.Device)
	return func(*rand.Rand) error {
		err := h.AddrDel(link, addressOf(p))
		if errors.Is(err, unix.EADDRNOTAVAIL) {
			err = h.AddrAdd(link, addressOf(p))
		}
		return named(err, "toggle %s", p)
	}
}

// toggleLink sets the device down and up.
func toggleLink(t testing.TB, b *testbed.Bed) change {
	h, link, up := b.Borea.Netlink(), labtest.LinkOf(t, b.Borea, testbed.Device), true
	return func(*rand.Rand) error {
		if up = !up; up {
			return h.LinkSetUp(link)
		}
		return h.LinkSetDown(link)
	}
}

func addressOf(p netip.Prefix) *netlink.Addr {
	n := netOf(p)
	n.IP = p.Addr().AsSlice()
	return &netlink.Addr{IPNet: n}
}

func netOf(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// named adds to an error what failed.
func named(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
