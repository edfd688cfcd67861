package host

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
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/port"
)

// roles are processes that tests need beside themselves. Each is the test binary itself,
// started with the name of a role as its first argument.
var roles = map[string]func(args []string) error{
	"role-storm":  raiseStorm,
	"role-client": holdConnection,
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

// needRoot skips a test that the user may not run. With INSANE_ROOT=1 the test fails
// instead: then the whole suite is meant to run.
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

// newNamespace moves the test into a network namespace of its own, with lo up. The test
// never unlocks its thread, so the thread ends with the test's goroutine, and the
// namespace with the thread. Other goroutines and subtests run outside of it.
func newNamespace(t testing.TB) *Links {
	t.Helper()
	needRoot(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(os.NewSyscallError("unshare", err))
	}
	l, err := OpenLinks()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	setUp(t, l, "lo")
	return l
}

const ownProcess = "INSANE_OWN_PROCESS"

// inOwnProcess runs the test in a process of its own, whose threads are all in one new
// network namespace. It returns true in that process and false in the process that waits
// for it. Tests whose goroutines open sockets need it; the others are faster without.
func inOwnProcess(t *testing.T) bool {
	t.Helper()
	needRoot(t)
	if os.Getenv(ownProcess) == t.Name() {
		return true
	}
	runtime.LockOSThread() // Pdeathsig is sent when this thread ends
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

// await polls until a condition holds. After a time limit the test fails.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("gave up waiting for %s", what)
		}
	}
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
	link, err := l.h.LinkByName(name)
	must(t, err)
	return link
}

// setUp sets a link up.
func setUp(t testing.TB, l *Links, name string) {
	t.Helper()
	must(t, l.h.LinkSetUp(handleOf(t, l, name)))
}

// newVeth makes a veth pair whose ends are up. IPv6 is off on both, because it would send
// packets of its own.
func newVeth(t testing.TB, l *Links, name, peer string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	must(t, l.h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: peer}))
	for _, end := range []string{name, peer} {
		sysctl(t, "net/ipv6/conf/"+end+"/disable_ipv6", "1")
		setUp(t, l, end)
	}
}

// sysctl sets a value in the network namespace of the thread.
func sysctl(t testing.TB, path, value string) {
	t.Helper()
	must(t, os.WriteFile("/proc/sys/"+path, []byte(value), 0))
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
	i, err := NewInterface(l, tap.Index())
	must(t, err)
	return device{tap, i}
}
