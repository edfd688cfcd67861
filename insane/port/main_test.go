package port

import (
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/host"
)

func TestMain(m *testing.M) { labtest.Roles{"role-tap": holdTAP}.Main(m) }

// Short names of what every test here uses.
var (
	must         = labtest.Must
	await        = labtest.Await
	inOwnProcess = labtest.InOwnProcess
	sysctl       = labtest.Sysctl
)

// namespace is the network namespace of a test. Links looks links up as the device does; h
// makes other changes.
type namespace struct {
	*host.Links
	h *netlink.Handle
}

// openNamespace returns the network namespace of the calling thread.
func openNamespace(t testing.TB) *namespace {
	t.Helper()
	l, err := host.OpenLinks()
	must(t, err)
	t.Cleanup(l.Close)
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	must(t, err)
	t.Cleanup(h.Close)
	return &namespace{Links: l, h: h}
}

// newNamespace moves the test into a network namespace of its own, with lo up. The test
// never unlocks its thread, so the thread ends with the test's goroutine, and the
// namespace with the thread. Other goroutines and subtests run outside of it.
func newNamespace(t testing.TB) *namespace {
	t.Helper()
	labtest.Namespace(t)
	l := openNamespace(t)
	setUp(t, l, "lo")
	return l
}

// linkOf looks up a link, which must exist.
func linkOf(t testing.TB, l *namespace, name string) host.Link {
	t.Helper()
	link, err := l.ByName(name)
	must(t, err)
	return link
}

// handleOf looks up a link for calls of the netlink library.
func handleOf(t testing.TB, l *namespace, name string) netlink.Link {
	t.Helper()
	return labtest.Link(t, l.h, name)
}

// setUp sets a link up.
func setUp(t testing.TB, l *namespace, name string) { t.Helper(); labtest.LinkUp(t, l.h, name) }

// newVeth makes a veth pair whose ends are up. IPv6 is off on both, because it would send
// packets of its own.
func newVeth(t testing.TB, l *namespace, name, peer string) {
	t.Helper()
	labtest.VethPair(t, l.h, name, peer)
}

// acceptAll accepts every frame, acceptNone no frame.
var (
	acceptAll  = Filter{classic: []bpf.Instruction{bpf.RetConstant{Val: acceptWholeFrame}}}
	acceptNone = Filter{classic: []bpf.Instruction{bpf.RetConstant{Val: 0}}}
)

// openSlave opens the packet sockets on a link until the test ends.
func openSlave(t testing.TB, l *namespace, name string, filter Filter) *Slave {
	t.Helper()
	s, err := OpenSlave(linkOf(t, l, name).Index, name, filter)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// device is a TAP together with its interface, as a daemon has them.
type device struct {
	*TAP
	*host.Interface
}

// openTAP makes a TAP that is closed when the test ends.
func openTAP(t testing.TB, l *namespace, name string) device {
	t.Helper()
	tap, err := OpenTAP(name)
	must(t, err)
	t.Cleanup(func() { tap.Close() })
	i, err := host.NewInterface(l.Links, tap)
	must(t, err)
	return device{tap, i}
}
