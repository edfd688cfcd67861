package insane

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// ownNamespace is the namespace of the calling thread.
func ownNamespace(t testing.TB) *borea {
	t.Helper()
	h, err := netlink.NewHandle()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	b := &borea{t: t, h: h}
	b.must(h.LinkSetUp(b.link("lo")))
	return b
}

// runs opens a device and runs it until the test ends.
func (b *borea) runs(c Config) *Device {
	b.t.Helper()
	d, err := Open(c)
	b.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("Run: %v", err)
		}
	})
	return d
}

// addresses returns the addresses of a link, except those that the kernel has made.
func (b *borea) addresses(name string) (list []string) {
	b.t.Helper()
	all, err := b.h.AddrList(b.link(name), netlink.FAMILY_ALL)
	b.must(err)
	for _, a := range all {
		if !a.IP.IsLinkLocalUnicast() {
			list = append(list, a.IPNet.String())
		}
	}
	slices.Sort(list)
	return list
}

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// The requested addresses and routes are restored when the interface comes up again, for
// both families. A route that a user deletes while the interface is up is not restored.
func TestInterfaceComesUpAgain(t *testing.T) {
	if !labtest.InOwnProcess(t) {
		return
	}
	b := ownNamespace(t)
	b.veth("eth0", 0, "10.9.0.1/24")
	b.address("eth0", "fd00::1/64", func(l netlink.Link, a *netlink.Addr) error {
		a.Flags = syscall.IFA_F_NODAD
		return b.h.AddrAdd(l, a)
	})
	b.must(b.h.RouteAdd(&netlink.Route{Gw: net.ParseIP("fd00::254")}))
	b.runs(Config{
		Name: "insane", Slave: "eth0", Seed: 1, Receive: api.ReceiveAuto,
		Addresses: prefixes("10.8.0.1/24", "fd08::1/64"),
		Routes:    prefixes("10.9.0.2/32", "203.0.113.0/24", "fd00::2/128", "2001:db8::/32"),
	})
	has := func() string {
		return fmt.Sprint(b.addresses("insane"), b.routes(syscall.AF_INET), b.routes(syscall.AF_INET6))
	}
	want := has()
	if n := len(b.addresses("insane")); n != 2 {
		t.Fatalf("%d addresses at first: %s", n, want)
	}
	if n := len(b.routes(syscall.AF_INET)) + len(b.routes(syscall.AF_INET6)); n != 7 { // two of them for the gateway of IPv6, and one of each address
		t.Fatalf("%d routes at first: %s", n, want)
	}
	for _, apart := range []time.Duration{0, 300 * time.Millisecond} {
		b.must(b.h.LinkSetDown(b.link("insane")))
		if apart != 0 && has() == want {
			t.Fatal("nothing is lost while the interface is down: the test measures nothing")
		}
		time.Sleep(apart)
		b.must(b.h.LinkSetUp(b.link("insane")))
		labtest.Await(t, "everything that was asked for, after "+apart.String(), func() bool { return has() == want })
	}

	deleted := &netlink.Route{LinkIndex: b.link("insane").Attrs().Index, Dst: netlink.NewIPNet(net.ParseIP("fd00::2"))}
	b.must(b.h.RouteDel(deleted))
	b.must(b.h.LinkSetMTU(b.link("eth0"), 1400)) // an event that the device follows
	labtest.Await(t, "the MTU", func() bool { return b.link("insane").Attrs().MTU == 1400 })
	time.Sleep(200 * time.Millisecond)
	if has() == want {
		t.Error("a route that was deleted by hand has come back")
	}
}

// An address that the kernel refuses does not stop the device from restoring the other
// addresses and the routes, and does not make it try again and again.
func TestInterfaceComesUpWithoutIPv6(t *testing.T) {
	if !labtest.InOwnProcess(t) {
		return
	}
	b := ownNamespace(t)
	b.veth("eth0", 0, "10.9.0.1/24")
	var lines lineCounter
	b.runs(Config{
		Name: "insane", Slave: "eth0", Seed: 1, Receive: api.ReceiveAuto, Log: slog.New(slog.NewTextHandler(&lines, nil)),
		Addresses: prefixes("fd08::1/64", "10.8.0.1/24"), Routes: prefixes("10.9.0.2/32"),
	})
	want := fmt.Sprint(b.routes(syscall.AF_INET))
	setting := func(name, value string) {
		b.must(os.WriteFile("/proc/sys/net/ipv6/conf/insane/"+name, []byte(value), 0))
	}
	for _, without := range []func(){
		func() {
			b.must(b.h.LinkSetMTU(b.link("eth0"), 1000)) // too small for IPv6
			labtest.Await(t, "the MTU", func() bool { return b.link("insane").Attrs().MTU == 1000 })
		},
		func() {
			b.must(b.h.LinkSetMTU(b.link("eth0"), 1500))
			labtest.Await(t, "IPv6", func() bool { return len(b.addresses("insane")) == 2 })
			setting("disable_ipv6", "1")
			b.must(b.h.LinkSetMTU(b.link("eth0"), 1400))
			labtest.Await(t, "the MTU", func() bool { return b.link("insane").Attrs().MTU == 1400 })
		},
	} {
		without()
		b.must(b.h.LinkSetDown(b.link("insane")))
		labtest.Await(t, "a loss", func() bool { return fmt.Sprint(b.routes(syscall.AF_INET)) != want })
		b.must(b.h.LinkSetUp(b.link("insane")))
		labtest.Await(t, "the route", func() bool { return fmt.Sprint(b.routes(syscall.AF_INET)) == want })
		time.Sleep(300 * time.Millisecond) // for events of that
		before := lines.Load()
		time.Sleep(300 * time.Millisecond)
		if n := lines.Load() - before; n > 2 {
			t.Errorf("%d lines are logged while nothing happens", n)
		}
	}
}

// lineCounter counts the lines that are logged.
type lineCounter struct{ atomic.Int64 }

func (c *lineCounter) Write(line []byte) (int, error) {
	c.Add(1)
	return len(line), nil
}

// BenchmarkLinkEvent measures the CPU time of a device for an event of a link that does not
// concern it, on a host with 300 links.
func BenchmarkLinkEvent(b *testing.B) {
	const links, pairs = 300, 150
	if !labtest.InOwnProcess(b) {
		return
	}
	host := ownNamespace(b)
	host.veth("eth0", 0, "10.9.0.1/24")
	for i := range pairs {
		host.veth(fmt.Sprintf("v%d", i), 0)
	}
	for _, c := range []struct {
		what  string
		event func(netlink.Link, int) error
	}{
		{"another MTU", func(l netlink.Link, i int) error { return host.h.LinkSetMTU(l, 1400+i%2) }},
		{"down and up", func(l netlink.Link, i int) error {
			if i%2 == 0 {
				return host.h.LinkSetDown(l)
			}
			return host.h.LinkSetUp(l)
		}},
	} {
		for _, with := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/device=%v", c.what, with), func(b *testing.B) {
				if with {
					d, err := Open(Config{Name: "insane", Slave: "eth0", Receive: api.ReceiveAuto, Path: api.PathAuto,
						Routes: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/32")}})
					host.must(err)
					ctx, cancel := context.WithCancel(b.Context())
					ended := make(chan error)
					go func() { ended <- d.Run(ctx) }()
					defer func() { cancel(); <-ended }()
				}
				time.Sleep(time.Second)
				link := host.link("v1")
				before := cpuTime()
				for i := range b.N {
					host.must(c.event(link, i))
					time.Sleep(20 * time.Millisecond)
				}
				b.ReportMetric(float64(cpuTime()-before)/float64(b.N)/1e6, "CPU-ms/event")
			})
		}
	}
}

// cpuTime returns the CPU time that the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Whatever happens to the slave while a device ends, the log has no error and no warning: a
// pass that is under way finds the interface closed, and must say nothing about it.
func TestEndsInSilence(t *testing.T) {
	if !labtest.InOwnProcess(t) {
		return
	}
	b := ownNamespace(t)
	b.veth("eth0", 0, "10.9.0.1/24")
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))
	const leastIPv6 = 1280 // a smaller MTU takes IPv6 off the interface, which is a warning
	for i := range 30 {
		d, err := Open(Config{
			Name: "insane", Slave: "eth0", Seed: 1, Receive: api.ReceiveNone, Log: log, Routes: prefixes("10.9.0.2/32"),
		})
		b.must(err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- d.Run(ctx) }()
		labtest.Await(t, "the first pass", func() bool { return d.about.Load() != nil })
		for j := range 3 {
			b.must(b.h.LinkSetMTU(b.link("eth0"), leastIPv6+10*i+j))
		}
		time.Sleep(time.Duration(i) * 100 * time.Microsecond)
		cancel()
		b.must(<-ended)
		if text := said.String(); text != "" {
			t.Fatalf("end %d:\n%s", i, text)
		}
	}
}
