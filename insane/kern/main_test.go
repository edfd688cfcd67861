package kern

import (
	"net"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { labtest.Roles{"role-holder": holdAttached}.Main(m) }

// Short names of what every test here uses.
var (
	needRoot = labtest.NeedRoot
	must     = labtest.Must
	await    = labtest.Await
)

// newNamespace moves the test into a network namespace of its own, with a veth pair near
// and far. The thread is never unlocked: it ends with the goroutine of the test, and the
// namespace ends with it. The thread stays on one CPU, because the handoff is per-CPU and
// a veth pair keeps the order of frames from one CPU only.
func newNamespace(t testing.TB) (near, far netlink.Link) {
	t.Helper()
	labtest.Namespace(t)
	stayHere(t)
	return newVeth(t, "near", "far")
}

// stayHere keeps the thread on a processor.
func stayHere(t testing.TB) {
	t.Helper()
	stayOn(t, processors()[0])
}

// usable is the set of CPUs that the process could use at its start.
var usable = func() (all unix.CPUSet) {
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		panic(err)
	}
	return all
}()

// processors returns the numbers of these CPUs.
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

// newVeth makes a veth pair, up and without IPv6, as IPv6 sends frames by itself.
func newVeth(t testing.TB, name, peer string) (near, far netlink.Link) {
	t.Helper()
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	must(t, err)
	defer h.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	attrs.HardwareAddr = net.HardwareAddr{2, 0x69, 0x6e, 0x73, 1, 1}
	labtest.NewVeth(t, h, attrs, peer)
	return labtest.Link(t, h, name), labtest.Link(t, h, peer)
}

func linkOf(t testing.TB, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	return l
}

// openObjects loads objects for the time of the test, with a watchdog that runs longer.
func openObjects(t testing.TB, claims Claims) *Objects {
	t.Helper()
	r, err := Open("insane")
	must(t, err)
	t.Cleanup(func() { r.Close() })
	must(t, r.Claim(claims))
	r.RX().Kick(now() + forever)
	return r
}
