package port

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// After a link went down and came up again, the same socket receives from it again.
func TestSlaveDownAndUp(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", FilterNeighbours())
	far := openSlave(t, l, "far", acceptNone)
	heard := make(chan frame.Frame, 100)
	go func() {
		defer close(heard)
		for {
			frames, err := near.Read(0)
			if err != nil {
				return
			}
			for _, f := range frames {
				heard <- f.Clone()
			}
		}
	}()
	for round := range 20 {
		must(t, l.h.LinkSetDown(handleOf(t, l, "near")))
		if n, err := near.Write([]frame.Frame{reply(0)}); n != 0 || !errors.Is(err, ErrDown) {
			t.Fatalf("down: %d frames written, %v; want none and %v", n, err, ErrDown)
		}
		if !near.Bound() {
			t.Fatal("down, and so not bound any more")
		}
		setUp(t, l, "near")
		awaitFrame(t, far, heard, round)
	}
	near.Close()
	for range heard { // ends when the reader has ended
	}
}

// awaitFrame sends a frame again and again until it is received. When one end of a veth
// pair comes up, the other end drops frames for a while (net/core/link_watch.c).
func awaitFrame(t *testing.T, far Port, heard <-chan frame.Frame, number int) {
	t.Helper()
	await(t, "a frame to be heard", func() bool {
		send(t, far, reply(number))
		select {
		case f, open := <-heard:
			if !open {
				t.Fatal("Read ended")
			}
			got := numbers([]frame.Frame{f})
			return len(got) == 1 && got[0] == number
		case <-time.After(10 * time.Millisecond):
			return false
		}
	})
}

// If the send buffer of a socket is full when its link goes down, the kernel tells of an
// error and of nothing else. Read works on all the same.
func TestSlaveDownWhileFull(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "lower", "far")
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = "near", linkOf(t, l, "lower").Index
	must(t, l.h.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE}))
	sysctl(t, "net/ipv6/conf/near/disable_ipv6", "1")
	setUp(t, l, "near")
	near := openSlave(t, l, "near", FilterNeighbours())
	far := openSlave(t, l, "far", acceptNone)
	// Frames wait in the queue of the lower link, which stays when near goes down.
	throttle(t, l, "lower", 1<<30)
	const room = 16 << 10 // bytes; the kernel doubles the value that it gets
	must(t, near.setBuffer(unix.SO_SNDBUFFORCE, room/2))
	for unsentBytes(t, near) <= room/2 { // the kernel reports room when half of it is free
		send(t, near, packet(macBroadcast, 0, 0x88b5, make([]byte, 1400)))
	}
	heard := make(chan frame.Frame, 100)
	failed := make(chan error, 1)
	go func() {
		defer close(heard)
		frames, err := near.Read(0)
		failed <- err
		for _, f := range frames {
			heard <- f.Clone()
		}
	}()
	await(t, "Read to wait", func() bool { return waitingReads() > 0 })
	must(t, l.h.LinkSetDown(handleOf(t, l, "near")))
	setUp(t, l, "near")
	awaitFrame(t, far, heard, 1)
	must(t, <-failed)
}

// A socket whose link was deleted stays without a link, even if a new link has the same
// name and the same index.
func TestSlaveDeleted(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	was := linkOf(t, l, "near")
	near := openSlave(t, l, "near", acceptAll)
	if !near.Bound() {
		t.Fatal("not bound at first")
	}
	must(t, l.h.LinkDel(handleOf(t, l, "near")))
	if near.Bound() {
		t.Error("bound to a link that was deleted")
	}
	near.Write([]frame.Frame{reply(1)}) // the first error may be that the link is down
	if n, err := near.Write([]frame.Frame{reply(1)}); n != 0 || !errors.Is(err, ErrGone) {
		t.Errorf("%d frames written, %v; want none and %v", n, err, ErrGone)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Index = "near", was.Index
	must(t, l.h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "far"}))
	setUp(t, l, "near")
	setUp(t, l, "far")
	if is := linkOf(t, l, "near"); is.Index != was.Index || is.Name != was.Name {
		t.Fatalf("%+v is not like %+v", is, was)
	}
	if near.Bound() {
		t.Error("bound to a link that it was not opened on")
	}
	if n, err := near.Write([]frame.Frame{reply(1)}); n != 0 || !errors.Is(err, ErrGone) {
		t.Errorf("%d frames written into the new link, %v; want none and %v", n, err, ErrGone)
	}
	if !openSlave(t, l, "near", acceptAll).Bound() {
		t.Error("a new socket is not bound")
	}
	must(t, near.Close())
	if near.Bound() {
		t.Error("bound after Close")
	}
}

// OpenSlave fails without a link or without a filter, and leaves no descriptor open.
func TestOpenSlaveOnNothing(t *testing.T) {
	l := newNamespace(t)
	before := descriptors(t)
	if s, err := OpenSlave(4711, "eth0", acceptAll); err == nil {
		s.Close()
		t.Error("a socket on a link that does not exist")
	}
	if s, err := OpenSlave(linkOf(t, l, "lo").Index, "lo", Filter{}); err == nil {
		s.Close()
		t.Error("a socket without a filter, which would hear everything")
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// Overruns counts exactly the frames for which the socket had no room, and no frame that
// the filter refused.
func TestSlaveOverruns(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", FilterNeighbours())
	far := openSlave(t, l, "far", acceptNone)
	must(t, near.setBuffer(unix.SO_RCVBUF, 1)) // the kernel raises it to its least value
	offered, read := uint64(0), uint64(0)
	for range 5 {
		for range 200 {
			send(t, far, reply(1), arp(macBroadcast, 1, 1))
			offered++
		}
		read += uint64(len(numbers(readOne(t, near))))
		await(t, "the counters of the socket to balance", func() bool { return read+near.Overruns() >= offered })
		if overruns := near.Overruns(); read+overruns != offered || read == 0 || overruns == 0 {
			t.Fatalf("%d read and %d overruns of %d", read, overruns, offered)
		}
	}
	at := near.Overruns()
	if again := near.Overruns(); again != at {
		t.Errorf("%d overruns, and %d when asked again", at, again)
	}
}

// waitingReads returns the number of goroutines in a Read that sleeps in the kernel.
func waitingReads() int {
	stacks := make([]byte, 1<<16)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "port.(*waiter).sleep(")
}
