package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

// canary is a veth pair from a host of one lab into a namespace that should be removed. As
// long as the namespace exists, the pair exists; there is no other way to see from outside
// that an anonymous namespace is gone.
type canary struct {
	host *Host
	name string
}

// sing puts a canary into the namespace of a file.
func sing(t *testing.T, host *Host, name, file string) canary {
	t.Helper()
	ns, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	err = onFile(ns, func(fd int) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		veth := netlink.NewVeth(attrs)
		veth.PeerName = name
		veth.PeerNamespace = netlink.NsFd(fd)
		return host.Netlink().LinkAdd(veth)
	})
	if err != nil {
		t.Fatalf("put canary into %s: %v", file, err)
	}
	return canary{host, name}
}

func (c canary) awaitDeath(t *testing.T) {
	t.Helper()
	Await(t, c.name+" to go with its namespace", func() bool {
		_, err := c.host.Netlink().LinkByName(c.name)
		return errors.As(err, new(netlink.LinkNotFoundError))
	})
}

// snapshot is everything that a lab could leave behind in its namespace and file system.
func snapshot(t *testing.T, h *Host) []string {
	t.Helper()
	var all []string
	links, err := h.Netlink().LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		all = append(all, "link "+link.Attrs().Name)
	}
	for _, pattern := range []string{"/run/netns/*", "/run/insane/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, files...)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return append(all, string(mounts))
}

func TestCloseLeavesNothing(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	outer, l := newLab(t, Options{}), newLab(t, Options{})
	before := snapshot(t, outer.Borea)
	var canaries []canary
	for i, h := range []*Host{l.Borea, l.Morgana} {
		file := fmt.Sprintf("/proc/self/fd/%d", h.ns.Fd())
		canaries = append(canaries, sing(t, outer.Borea, fmt.Sprint("canary", i), file))
	}
	if _, err := l.Daemon(background); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range canaries {
		c.awaitDeath(t)
	}
	if diff := cmp.Diff(before, snapshot(t, outer.Borea)); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// kill -9 also removes namespaces, cable, daemon and commands.
func TestKillLeavesNothing(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	outer := newLab(t, Options{})
	before := snapshot(t, outer.Borea)
	holder := outer.Borea.Command(background, "/proc/self/exe", "role-holder")
	holder.Stderr = os.Stderr
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	var daemon, child int
	if _, err := fmt.Fscan(stdout, &daemon, &child); err != nil {
		t.Fatalf("the holder made no lab: %v", err)
	}
	inBorea := sing(t, outer.Borea, "canary0", fmt.Sprintf("/proc/%d/ns/net", daemon))
	inMorgana := sing(t, outer.Borea, "canary1", fmt.Sprintf("/proc/%d/ns/net", child))

	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
	for _, pid := range []int{daemon, child} {
		Await(t, fmt.Sprintf("process %d to die with its parent", pid), func() bool { return !alive(fmt.Sprint(pid)) })
	}
	inBorea.awaitDeath(t)
	inMorgana.awaitDeath(t)
	if diff := cmp.Diff(before, snapshot(t, outer.Borea)); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// If New fails, it removes everything that it has made.
func TestFailedNewLeavesNothing(t *testing.T) {
	NeedRoot(t)
	before := openFiles(t)
	for range 10 {
		l := &Lab{Borea: borea(), Morgana: morgana()}
		if err := l.Borea.open(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files open, %d before", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return len(files)
}
