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

// Namespace moves the test into a new network namespace. The thread is never unlocked, so
// it ends with the goroutine of the test, and the namespace ends with it. Other goroutines
// and subtests are outside.
func Namespace(t testing.TB) {
	t.Helper()
	NeedRoot(t)
	Must(t, Unshare())
}

// Unshare gives the calling goroutine a locked thread in a new network namespace. The
// goroutine must end after use, because the thread is never unlocked.
func Unshare() error {
	runtime.LockOSThread()
	return os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET))
}

// ownProcess is the environment variable that names the test of a process that InOwnProcess
// has started.
const ownProcess = "INSANE_OWN_PROCESS"

// InOwnProcess runs the test or benchmark in a new process, whose threads are all in one
// new network namespace. It returns true in the new process, and false in the process that
// waits for it. Use it if several goroutines open sockets; other tests are faster without
// it.
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

// NewVeth makes a veth pair, up and without IPv6, which would send packets by itself. The
// links are in the namespace of the thread; the handle must belong to the same namespace.
func NewVeth(t testing.TB, h *netlink.Handle, near netlink.LinkAttrs, peer string) {
	t.Helper()
	Must(t, h.LinkAdd(&netlink.Veth{LinkAttrs: near, PeerName: peer}))
	for _, end := range []string{near.Name, peer} {
		// A kernel without IPv6 has no such file.
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+end+"/disable_ipv6", []byte("1"), 0)
		Must(t, h.LinkSetUp(Link(t, h, end)))
	}
}

// VethPair is NewVeth for a link that has nothing but a name.
func VethPair(t testing.TB, h *netlink.Handle, name, peer string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	NewVeth(t, h, attrs, peer)
}

// LinkUp sets a link of a handle's namespace up.
func LinkUp(t testing.TB, h *netlink.Handle, name string) {
	t.Helper()
	Must(t, h.LinkSetUp(Link(t, h, name)))
}

// Sysctl sets a value in the network namespace of the thread.
func Sysctl(t testing.TB, path, value string) {
	t.Helper()
	Must(t, os.WriteFile("/proc/sys/"+path, []byte(value), 0))
}

// Link returns a link of a handle's namespace as it is now. The test fails if there is no
// such link.
func Link(t testing.TB, h *netlink.Handle, name string) netlink.Link {
	t.Helper()
	link, err := h.LinkByName(name)
	if err != nil {
		t.Fatalf("find %s: %v", name, err)
	}
	return link
}
