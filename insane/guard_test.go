package insane

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// openFast opens a device with a slave, both directions on the fast path.
func (b *borea) openFast() *Device {
	b.t.Helper()
	b.veth("eth0", 0, "10.9.0.1/24")
	d, err := Open(Config{
		Name: "insane", Slave: "eth0", Seed: 1, Receive: api.ReceiveAuto, Path: api.PathKernel,
		Routes: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/32")},
	})
	b.must(err)
	b.t.Cleanup(func() { d.Close() })
	d.reconcile()
	if info := d.State(); info.Path != api.PathKernel {
		b.t.Fatalf("path %s: %s", info.Path, info.PathReason)
	}
	return d
}

// unknown is a stage that no version of the eBPF programs knows.
const unknown policy.Stages = 1 << 63

// A program with a stage that the kernel does not know is carried out by the relay, in
// either direction, and the reason names the stage. The next program that the kernel knows
// is carried out by the kernel again.
func TestUnknownStageIsTheRelays(t *testing.T) {
	b := newBorea(t)
	d := b.openFast()
	// Otherwise frames would wait in the interface's queue, and hold up later frames.
	d.group.Go(func() { d.tx.Run(d.near, d.path.Queue) })
	set := func(r *relay.Relay, stages policy.Stages) api.Info {
		d.mu.Lock()
		defer d.mu.Unlock()
		rs := *r.Ruleset()
		program := *rs.Program
		program.Stages = stages
		rs.Program = &program
		r.SetRuleset(&rs)
		d.apply(d.seen)
		return d.State()
	}
	const reason = "the kernel cannot do stage 63"
	for name, r := range map[string]*relay.Relay{"tx": d.tx, "rx": d.rx} {
		if info := set(r, unknown); info.Path != api.PathRelay || info.PathReason != name+": "+reason {
			t.Errorf("%s: path %s: %q", name, info.Path, info.PathReason)
		}
		labtest.Await(t, "an empty queue", func() bool { return !d.tx.Kernel().Waiting() })
		before := d.tx.Kernel().Counts()
		b.send("10.9.0.2")
		if carried := d.tx.Kernel().Counts() != before; carried != (name == "rx") {
			t.Errorf("the kernel cannot do a stage of %s; tx carried by the kernel: %v", name, carried)
		}
		if info := set(r, 0); info.Path != api.PathKernel {
			t.Errorf("%s: path %s: %q, after a known program", name, info.Path, info.PathReason)
		}
	}
}

// send makes the host send a frame to an address: an ARP request.
func (b *borea) send(to string) {
	b.t.Helper()
	c, err := net.Dial("udp", net.JoinHostPort(to, "9"))
	b.must(err)
	_, err = c.Write([]byte("x"))
	b.must(err)
	b.must(c.Close())
	b.must(b.h.NeighDel(&netlink.Neigh{LinkIndex: b.link("insane").Attrs().Index, IP: net.ParseIP(to)}))
}

// brokenLinks are netlink sockets whose requests all fail.
func brokenLinks(t *testing.T) *host.Links {
	t.Helper()
	sockets := func() (list []string) {
		all, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range all {
			if what, _ := os.Readlink(path); strings.HasPrefix(what, "socket:") {
				list = append(list, path)
			}
		}
		return list
	}
	before := sockets()
	links, err := host.OpenLinks()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(links.Close)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, path := range sockets() {
		if slices.Contains(before, path) {
			continue
		}
		fd, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Dup3(int(null.Fd()), fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
	}
	return links
}

// After an error of a look-up, the device does not assume that the interface has left the
// namespace. The relay carries everything until a look succeeds.
func TestFailedLookIsNotAnotherNamespace(t *testing.T) {
	b := newBorea(t)
	d := b.openFast()
	links := d.links
	d.links = brokenLinks(t)
	if seen := d.observer().Look(observe.PartInterface, d.seen); seen.Interface.Err == nil {
		t.Error("a look through broken sockets succeeds")
	}
	d.reconcile()
	info := d.State()
	if info.Path != api.PathRelay || !strings.Contains(info.PathReason, "look up") {
		t.Errorf("path %s: %q, want the error of the look-up", info.Path, info.PathReason)
	}
	if d.due() == 0 {
		t.Error("no later look is due")
	}
	d.links = links
	d.reconcile()
	if info := d.State(); info.Path != api.PathKernel {
		t.Errorf("path %s: %q, after a look that succeeds", info.Path, info.PathReason)
	}
}
