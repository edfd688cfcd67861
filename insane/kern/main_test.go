package kern

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// roles are the processes that tests need beside themselves: the test binary,
// started again with the name of a role as first argument.
var roles = map[string]func(args []string) error{
	"role-holder": holdAttached,
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
		t.Skip("needs root, to load eBPF programs")
	}
}

// newNamespace moves the test into a network namespace of its own, with the links
// near and far, which are each other's wire. The thread is never unlocked and dies
// with the goroutine of the test, and with it the namespace. It stays on one
// processor: what the programs hand to each other is that processor's, and a veth
// pair keeps the order of what is sent from one.
func newNamespace(t testing.TB) (near, far netlink.Link) {
	t.Helper()
	needRoot(t)
	runtime.LockOSThread()
	must(t, os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET)))
	stayHere(t)
	return newVeth(t, "near", "far")
}

// stayHere keeps the thread on a processor.
func stayHere(t testing.TB) {
	t.Helper()
	stayOn(t, processors()[0])
}

// usable are the processors that the process might use when it began.
var usable = func() (all unix.CPUSet) {
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		panic(err)
	}
	return all
}()

// processors are their numbers.
func processors() (list []int) {
	for cpu := range 1024 {
		if usable.IsSet(cpu) {
			list = append(list, cpu)
		}
	}
	return list
}

// stayOn keeps the thread on a processor, for good.
func stayOn(t testing.TB, cpu int) {
	t.Helper()
	runtime.LockOSThread()
	var one unix.CPUSet
	one.Set(cpu)
	must(t, unix.SchedSetaffinity(0, &one))
}

// onProcessors runs a function on every processor at once, each in the namespace of
// the caller, on a thread that dies with it.
func onProcessors(t testing.TB, run func()) {
	t.Helper()
	namespace, err := os.Open("/proc/thread-self/ns/net")
	must(t, err)
	defer namespace.Close()
	var group sync.WaitGroup
	for _, cpu := range processors() {
		group.Go(func() {
			stayOn(t, cpu)
			if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
				t.Error(err)
				return
			}
			run()
		})
	}
	group.Wait()
}

// newVeth makes two links that are each other's wire, up and without IPv6, which
// would send by itself.
func newVeth(t testing.TB, name, peer string) (near, far netlink.Link) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	attrs.HardwareAddr = net.HardwareAddr{2, 0x69, 0x6e, 0x73, 1, 1}
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: peer}))
	for _, end := range []string{name, peer} {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+end+"/disable_ipv6", []byte("1"), 0)
		must(t, netlink.LinkSetUp(linkOf(t, end)))
	}
	return linkOf(t, name), linkOf(t, peer)
}

func linkOf(t testing.TB, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	return l
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
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("gave up waiting for %s", what)
		}
	}
}

// openReceive loads a filter that goes with the test, with a watchdog that outlasts it.
func openObjects(t testing.TB, claims Claims) *Objects {
	t.Helper()
	r, err := Open("insane")
	must(t, err)
	t.Cleanup(func() { r.Close() })
	must(t, r.Claim(claims))
	r.RX().Kick(now() + forever)
	return r
}
