package host

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
)

// watched is a running Watch that counts the calls of wake.
type watched struct {
	links *Links
	wakes atomic.Int64
	end   func() // ends the Watch and waits
}

func watch(t *testing.T) *watched {
	t.Helper()
	l, err := OpenLinks()
	must(t, err)
	w := &watched{links: l}
	ctx, cancel := context.WithCancel(context.Background())
	done, err := l.Watch(ctx, WatchOptions{Wake: func(Events) { w.wakes.Add(1) }})
	must(t, err)
	w.end = func() { cancel(); <-done }
	t.Cleanup(func() { w.end(); l.Close() })
	return w
}

// quiet waits until wake has not been called for a while, and returns the count.
func (w *watched) quiet() (count int64) {
	for count = -1; w.wakes.Load() != count; time.Sleep(100 * time.Millisecond) {
		count = w.wakes.Load()
	}
	return count
}

// Every kind of change of a link or an address calls wake.
func TestWatch(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	w := watch(t)
	h := w.links.h
	find := func(name string) netlink.Link { return handleOf(t, w.links, name) }
	addr, err := netlink.ParseAddr("10.9.0.1/24")
	must(t, err)
	addr6, err := netlink.ParseAddr("fd00:9::1/64")
	must(t, err)
	for _, change := range []struct {
		what  string
		apply func() error
	}{
		{"a new link", func() error { newVeth(t, w.links, "near", "far"); return nil }},
		{"an MTU", func() error { return h.LinkSetMTU(find("near"), 1400) }},
		{"a MAC address", func() error {
			return h.LinkSetHardwareAddr(find("near"), net.HardwareAddr{0x02, 0x69, 0x6e, 0x73, 0, 1})
		}},
		{"a lost carrier", func() error { return h.LinkSetDown(find("far")) }},
		{"a carrier", func() error { return h.LinkSetUp(find("far")) }},
		{"an address", func() error { return h.AddrAdd(find("near"), addr) }},
		{"a lost address", func() error { return h.AddrDel(find("near"), addr) }},
		{"IPv6", func() error { sysctl(t, "net/ipv6/conf/near/disable_ipv6", "0"); return nil }},
		{"an IPv6 address", func() error { return h.AddrAdd(find("near"), addr6) }},
		{"a lost IPv6 address", func() error { return h.AddrDel(find("near"), addr6) }},
		{"going down", func() error { return h.LinkSetDown(find("near")) }},
		{"a new name", func() error { return h.LinkSetName(find("near"), "nearer") }},
		{"a lost link", func() error { return h.LinkDel(find("nearer")) }},
	} {
		before := w.quiet()
		must(t, change.apply())
		await(t, "a wake-up after "+change.what, func() bool { return w.wakes.Load() > before })
	}
}

// raiseStorm changes links of its namespace while its parent process is stopped and cannot
// read its sockets.
func raiseStorm([]string) error {
	parent, err := os.FindProcess(os.Getppid())
	if err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr("127.0.0.9/8")
	if err != nil {
		return err
	}
	if err := parent.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	defer parent.Signal(syscall.SIGCONT)
	for i := range 2000 {
		if err := netlink.LinkSetMTU(lo, 10_000+i); err != nil {
			return err
		}
		change := netlink.AddrAdd
		if i%2 == 1 {
			change = netlink.AddrDel
		}
		if err := change(lo, addr); err != nil {
			return err
		}
	}
	return nil
}

// After the sockets have overflowed, wake is called, later changes call wake again, and the
// failed subscriptions leave nothing behind.
func TestWatchSurvivesOverflow(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	w := watch(t)
	lo := handleOf(t, w.links, "lo")
	addr, err := netlink.ParseAddr("127.0.0.8/8")
	must(t, err)
	sockets := netlinkDrops(t)
	if len(sockets) != 1 {
		t.Fatalf("%d netlink sockets in this namespace, want one for all changes", len(sockets))
	}
	for range 3 {
		before := w.quiet()
		out, err := exec.CommandContext(t.Context(), "/proc/self/exe", "role-storm").CombinedOutput()
		if err != nil {
			t.Fatalf("storm: %v: %s", err, out)
		}
		await(t, "a wake-up after the storm", func() bool { return w.wakes.Load() > before })
		await(t, "new subscriptions instead of those that overflowed", func() bool {
			now := netlinkDrops(t)
			for _, drops := range now {
				if drops > 0 {
					return false
				}
			}
			return len(now) == len(sockets)
		})
		before = w.quiet()
		must(t, w.links.h.LinkSetMTU(lo, 9000))
		await(t, "a wake-up after a link changed", func() bool { return w.wakes.Load() > before })
		before = w.quiet()
		must(t, w.links.h.AddrAdd(lo, addr))
		await(t, "a wake-up after an address came", func() bool { return w.wakes.Load() > before })
		must(t, w.links.h.AddrDel(lo, addr))
	}
}

// netlinkDrops returns how many messages each routing socket of the namespace has lost that
// listens to a group, from /proc/net/netlink.
func netlinkDrops(t *testing.T) (drops []int) {
	t.Helper()
	table, err := os.ReadFile("/proc/self/net/netlink")
	must(t, err)
	for line := range strings.Lines(string(table)) {
		field := strings.Fields(line) // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
		if field[1] == "0" && strings.Trim(field[3], "0") != "" {
			n := 0
			if strings.Trim(field[8], "0") != "" {
				n = 1
			}
			drops = append(drops, n)
		}
	}
	return drops
}

// Changes that come while wake runs share the next call.
func TestWatchCallsFollowEachOther(t *testing.T) {
	l := ownLinks(t)
	if l == nil {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	begun, goOn := make(chan struct{}), make(chan struct{})
	var inside atomic.Int32
	done, err := l.Watch(ctx, WatchOptions{Wake: func(Events) {
		if inside.Add(1) != 1 {
			t.Error("two calls of wake at a time")
		}
		defer inside.Add(-1)
		select {
		case begun <- struct{}{}:
			<-goOn
		case <-ctx.Done():
		}
	}})
	must(t, err)
	lo := handleOf(t, l, "lo")
	must(t, l.h.LinkSetMTU(lo, 9000))
	<-begun
	for i := range 200 {
		must(t, l.h.LinkSetMTU(lo, 10_000+i))
	}
	calls := 0
	for {
		goOn <- struct{}{}
		select {
		case <-begun:
			calls++
			continue
		case <-time.After(time.Second):
		}
		break
	}
	// One call is for the events that came meanwhile; a few more are for events that were
	// still in the socket when it began.
	if calls == 0 || calls > 100 {
		t.Errorf("%d calls after 200 changes during one, want one or a few", calls)
	}
	cancel()
	<-done
}

// When the context ends, Watch leaves no goroutine and no socket behind.
func TestWatchEnds(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	before := len(netlinkDrops(t))
	w := watch(t)
	must(t, w.links.h.LinkSetMTU(handleOf(t, w.links, "lo"), 9000))
	w.end()
	await(t, "the sockets to close", func() bool { return len(netlinkDrops(t)) == before })
	count := w.wakes.Load()
	must(t, w.links.h.LinkSetMTU(handleOf(t, w.links, "lo"), 9001))
	goleak.VerifyNone(t)
	if now := w.wakes.Load(); now != count {
		t.Errorf("woken after the end")
	}
}
