package labtest

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Namespace moves the test into a network namespace of its own. The thread is
// never unlocked and dies with the goroutine of the test, and with it the
// namespace. Other goroutines and subtests are elsewhere.
func Namespace(t testing.TB) {
	t.Helper()
	NeedRoot(t)
	Must(t, Unshare())
}

// Unshare gives the calling goroutine a thread of its own in a new network
// namespace. The goroutine must not outlive its use, as the thread is never
// unlocked.
func Unshare() error {
	runtime.LockOSThread()
	return os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET))
}

// ownProcess is the environment variable that tells a process of InOwnProcess which
// test it is for.
const ownProcess = "INSANE_OWN_PROCESS"

// InOwnProcess runs the test or benchmark in a process of its own, whose threads are all in one new
// network namespace. It returns true in that process and false in the process that
// waits for it. Tests whose goroutines open sockets need it; the others are faster
// without.
func InOwnProcess(t testing.TB) bool {
	t.Helper()
	NeedRoot(t)
	if os.Getenv(ownProcess) == t.Name() {
		return true
	}
	runtime.LockOSThread() // Pdeathsig is sent when this thread ends
	defer runtime.UnlockOSThread()
	args := []string{"-test.timeout=120s", "-test.run=^" + t.Name() + "$"}
	if _, ok := t.(*testing.B); ok {
		args = []string{"-test.timeout=120s", "-test.run=^$", "-test.bench=^" + t.Name() + "$", "-test.benchtime=100x"}
	}
	cmd := exec.CommandContext(t.Context(), Self, args...)
	cmd.Env = append(os.Environ(), ownProcess+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	if _, ok := t.(*testing.B); ok {
		t.Logf("%s", out)
	}
	return false
}

// NewVeth makes two links that are each other's wire, up and without IPv6, which
// would send by itself. They are in the namespace of the thread, which is the
// handle's too.
func NewVeth(t testing.TB, h *netlink.Handle, near netlink.LinkAttrs, peer string) {
	t.Helper()
	Must(t, h.LinkAdd(&netlink.Veth{LinkAttrs: near, PeerName: peer}))
	for _, end := range []string{near.Name, peer} {
		// A kernel without IPv6 has no such file.
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+end+"/disable_ipv6", []byte("1"), 0)
		Must(t, h.LinkSetUp(Link(t, h, end)))
	}
}

// Link is a link of a handle's namespace as it is now; it must be there.
func Link(t testing.TB, h *netlink.Handle, name string) netlink.Link {
	t.Helper()
	link, err := h.LinkByName(name)
	if err != nil {
		t.Fatalf("find %s: %v", name, err)
	}
	return link
}
