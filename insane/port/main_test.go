package port

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/host"
)

// roles are the processes that tests need beside themselves: the test binary,
// started again with the name of a role as first argument.
var roles = map[string]func(args []string) error{
	"role-tap": holdTAP,
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			if err := role(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// needRoot skips a test that its user may not run. Where the whole suite is
// meant to run, INSANE_ROOT=1 makes that a failure.
func needRoot(t testing.TB) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("INSANE_ROOT") == "1":
		t.Fatal("INSANE_ROOT=1, but not run by root")
	default:
		t.Skip("needs root, to make a network namespace")
	}
}

// namespace is the network namespace of a test, as its links are looked up and changed.
type namespace struct {
	*host.Links
	h *netlink.Handle
}

// openNamespace is the network namespace of the calling thread.
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

// newNamespace moves the test into a network namespace of its own, with lo up.
// The thread is never unlocked and dies with the goroutine of the test, and
// with it the namespace. Other goroutines and subtests are elsewhere.
func newNamespace(t testing.TB) *namespace {
	t.Helper()
	needRoot(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(os.NewSyscallError("unshare", err))
	}
	l := openNamespace(t)
	setUp(t, l, "lo")
	return l
}

const ownProcess = "INSANE_OWN_PROCESS"

// inOwnProcess runs the test in a process of its own whose every thread is in a
// network namespace of its own, and reports whether this is that process. What
// starts goroutines that open sockets needs it; the others are faster without.
func inOwnProcess(t *testing.T) bool {
	t.Helper()
	needRoot(t)
	if os.Getenv(ownProcess) == t.Name() {
		return true
	}
	runtime.LockOSThread() // Pdeathsig is about the thread
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), ownProcess+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	return false
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await polls until a condition holds. The limit is for a test that fails.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("gave up waiting for %s", what)
		}
	}
}

// linkOf is a link as it is now; it must be there.
func linkOf(t testing.TB, l *namespace, name string) host.Link {
	t.Helper()
	link, err := l.ByName(name)
	must(t, err)
	return link
}

// handleOf is the same for calls of the netlink library.
func handleOf(t testing.TB, l *namespace, name string) netlink.Link {
	t.Helper()
	link, err := l.h.LinkByName(name)
	must(t, err)
	return link
}

func setUp(t testing.TB, l *namespace, name string) {
	t.Helper()
	must(t, l.h.LinkSetUp(handleOf(t, l, name)))
}

// newVeth makes two links that are each other's wire, up and without IPv6,
// which would send by itself.
func newVeth(t testing.TB, l *namespace, name, peer string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	must(t, l.h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: peer}))
	for _, end := range []string{name, peer} {
		sysctl(t, "net/ipv6/conf/"+end+"/disable_ipv6", "1")
		setUp(t, l, end)
	}
}

// sysctl sets a value for the namespace of the thread.
func sysctl(t testing.TB, path, value string) {
	t.Helper()
	must(t, os.WriteFile("/proc/sys/"+path, []byte(value), 0))
}

// readSysctl reads one.
func readSysctl(t testing.TB, path string) string {
	t.Helper()
	value, err := os.ReadFile("/proc/sys/" + path)
	must(t, err)
	return strings.TrimSpace(string(value))
}

// acceptAll and acceptNone are filters.
var (
	acceptAll  = Filter{classic: []bpf.Instruction{bpf.RetConstant{Val: acceptWholeFrame}}}
	acceptNone = Filter{classic: []bpf.Instruction{bpf.RetConstant{Val: 0}}}
)

// openSlave opens a packet socket that goes with the test.
func openSlave(t testing.TB, l *namespace, name string, filter Filter) *Slave {
	t.Helper()
	s, err := OpenSlave(linkOf(t, l, name).Index, name, filter)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// device is a TAP with its interface, as a daemon has them.
type device struct {
	*TAP
	*host.Interface
}

// openTAP makes a TAP that goes with the test.
func openTAP(t testing.TB, l *namespace, name string) device {
	t.Helper()
	tap, err := OpenTAP(name)
	must(t, err)
	t.Cleanup(func() { tap.Close() })
	i, err := host.NewInterface(l.Links, tap.Index())
	must(t, err)
	return device{tap, i}
}
