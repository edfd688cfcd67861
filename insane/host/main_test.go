package host

import (
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/port"
)

func TestMain(m *testing.M) {
	labtest.Roles{"role-storm": raiseStorm, "role-client": holdConnection}.Main(m)
}

// Short names of what every test here uses.
var (
	needRoot     = labtest.NeedRoot
	must         = labtest.Must
	await        = labtest.Await
	inOwnProcess = labtest.InOwnProcess
	sysctl       = labtest.Sysctl
)

// newNamespace moves the test into a network namespace of its own, with lo up. The test
// never unlocks its thread, so the thread ends with the test's goroutine, and the
// namespace with the thread. Other goroutines and subtests run outside of it.
func newNamespace(t testing.TB) *Links {
	t.Helper()
	labtest.Namespace(t)
	l, err := OpenLinks()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	setUp(t, l, "lo")
	return l
}

// ownLinks returns the links of a process whose own namespace the test has; nil in the process
// that has started it and is done.
func ownLinks(t *testing.T) *Links {
	t.Helper()
	if !inOwnProcess(t) {
		return nil
	}
	l, err := OpenLinks()
	must(t, err)
	t.Cleanup(l.Close)
	return l
}

// linkOf looks up a link, which must exist.
func linkOf(t testing.TB, l *Links, name string) Link {
	t.Helper()
	link, err := l.ByName(name)
	must(t, err)
	return link
}

// handleOf looks up a link for calls of the netlink library.
func handleOf(t testing.TB, l *Links, name string) netlink.Link {
	t.Helper()
	return labtest.Link(t, l.h, name)
}

// setUp sets a link up.
func setUp(t testing.TB, l *Links, name string) { t.Helper(); labtest.LinkUp(t, l.h, name) }

// newVeth makes a veth pair whose ends are up. IPv6 is off on both, because it would send
// packets of its own.
func newVeth(t testing.TB, l *Links, name, peer string) {
	t.Helper()
	labtest.VethPair(t, l.h, name, peer)
}

// readSysctl reads a value in the network namespace of the thread.
func readSysctl(t testing.TB, path string) string {
	t.Helper()
	value, err := os.ReadFile("/proc/sys/" + path)
	must(t, err)
	return strings.TrimSpace(string(value))
}

// device is a TAP together with its interface, as a daemon has them.
type device struct {
	*port.TAP
	*Interface
}

// openTAP makes a TAP that is closed when the test ends.
func openTAP(t testing.TB, l *Links, name string) device {
	t.Helper()
	tap, err := port.OpenTAP(name)
	must(t, err)
	t.Cleanup(func() { tap.Close() })
	i, err := NewInterface(l, tap)
	must(t, err)
	return device{tap, i}
}
