package port

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	labtest.Roles{"role-tap": holdTAP, "role-storm": raiseStorm, "role-client": visitControl}.Main(m)
}

// Short names of what every test here uses.
var (
	needRoot = labtest.NeedRoot
	must     = labtest.Must
	await    = labtest.Await
)

// newNamespace moves the test into a network namespace of its own, with lo up.
// The thread is never unlocked and dies with the goroutine of the test, and
// with it the namespace. Other goroutines and subtests are elsewhere.
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

// linkOf is a link as it is now; it must be there.
func linkOf(t testing.TB, l *Links, name string) Link {
	t.Helper()
	link, err := l.ByName(name)
	must(t, err)
	return link
}

// handleOf is the same for calls of the netlink library.
func handleOf(t testing.TB, l *Links, name string) netlink.Link {
	t.Helper()
	return labtest.Link(t, l.h, name)
}

func setUp(t testing.TB, l *Links, name string) {
	t.Helper()
	must(t, l.h.LinkSetUp(handleOf(t, l, name)))
}

// newVeth makes two links that are each other's wire, up and without IPv6,
// which would send by itself.
func newVeth(t testing.TB, l *Links, name, peer string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	labtest.NewVeth(t, l.h, attrs, peer)
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
func openSlave(t testing.TB, l *Links, name string, filter Filter) *Slave {
	t.Helper()
	s, err := OpenSlave(linkOf(t, l, name), filter)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// openTAP makes a TAP that goes with the test.
func openTAP(t testing.TB, l *Links, name string) *TAP {
	t.Helper()
	tap, err := OpenTAP(l, name)
	must(t, err)
	t.Cleanup(func() { tap.Close() })
	return tap
}
