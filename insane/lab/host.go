package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Link is the name of the only wired interface of each host.
const Link = "eth0"

// Host is one machine of a lab: a network namespace with a loopback and a wired interface
// called Link. Its methods may be called from any goroutine. They fail with os.ErrClosed
// after the lab was closed.
type Host struct {
	Name string

	// IPv4 and IPv6 are the host's addresses on Link, in a /24 and a /64.
	IPv4, IPv6 netip.Addr

	// SpareIPv4 and SpareIPv6 are second addresses from the same subnets. Those of morgana
	// are on Link, for traffic that does not pass the device. Those of borea are unused,
	// for a device that needs its own address.
	SpareIPv4, SpareIPv6 netip.Addr

	ns     *os.File // keeps the namespace
	handle *netlink.Handle
}

// Do runs fn inside the host and returns the result of fn. It makes a locked thread for the
// call and destroys the thread afterwards. Sockets that fn opens stay in the host, no
// matter where they are used later; goroutines that fn starts are outside. Inside fn, read
// /proc/thread-self/net: /proc/net belongs to the first thread of the process. If fn calls
// runtime.Goexit, as testing.T.FailNow does, the caller's goroutine ends too.
func (h *Host) Do(fn func() error) error {
	result := make(chan error, 1)
	onThread(func() {
		defer close(result)
		if err := h.enter(); err != nil {
			result <- err
			return
		}
		result <- fn()
	})
	err, returned := <-result
	if !returned {
		runtime.Goexit()
	}
	return err
}

// Netlink returns the route socket of the host. The lab closes it; the caller must not.
func (h *Host) Netlink() *netlink.Handle { return h.handle }

// enter moves the calling thread into the host's network namespace. The thread cannot
// return.
func (h *Host) enter() error {
	if err := onFile(h.ns, setns); err != nil {
		return fmt.Errorf("enter %s: %w", h.Name, err)
	}
	return nil
}

// open makes the namespace and the route socket in it.
func (h *Host) open() error {
	made := make(chan error, 1)
	onThread(func() { made <- h.unshare() })
	if err := <-made; err != nil {
		return err
	}
	return h.Do(func() (err error) {
		if err = setSysctls(); err != nil {
			return fmt.Errorf("set up %s: %w", h.Name, err)
		}
		if h.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			return fmt.Errorf("open netlink of %s: %w", h.Name, err)
		}
		return nil
	})
}

// unshare moves the calling thread into a new network namespace and keeps a file of the
// namespace.
func (h *Host) unshare() error {
	err := unix.Unshare(unix.CLONE_NEWNET)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("make host %s: %w: the lab needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN)", h.Name, err)
	}
	if err != nil {
		return fmt.Errorf("make host %s: %w", h.Name, err)
	}
	if h.ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return fmt.Errorf("keep host %s: %w", h.Name, err)
	}
	return nil
}

// close releases the namespace. The kernel removes it when its last process and its last
// socket are gone too.
func (h *Host) close() error {
	if h.handle != nil {
		h.handle.Close()
	}
	if h.ns == nil {
		return nil
	}
	return h.ns.Close()
}

func setns(fd int) error { return unix.Setns(fd, unix.CLONE_NEWNET) }

// onFile runs fn on the descriptor of f. While fn runs, f cannot be closed and the number
// cannot be given to another file.
func onFile(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = fn(int(fd)) }); err != nil {
		return os.ErrClosed // the only error of Control
	}
	return failed
}
