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

// Link is the name of the one wired interface of either host.
const Link = "eth0"

// Host is one machine of a lab: a network namespace with a loopback and a
// wired interface called Link. Its methods may be called from any goroutine
// and fail with os.ErrClosed once the lab is closed.
type Host struct {
	Name string

	// IPv4 and IPv6 are the host's addresses on Link, in a /24 and a /64.
	IPv4, IPv6 netip.Addr

	// SpareIPv4 and SpareIPv6 are a second pair from the same subnets.
	// Morgana has hers on Link, for traffic that is not re-routed; borea's
	// are nobody's, for a device that wants an address of its own.
	SpareIPv4, SpareIPv6 netip.Addr

	ns     *os.File // holds the namespace alive
	handle *netlink.Handle
}

// Do runs fn inside the host, on a locked thread made for this call and
// destroyed after it, and returns what fn returns. Sockets that fn opens stay in the
// host wherever they are used later; goroutines that fn starts are outside.
// Inside fn the host's files are under /proc/thread-self/net: /proc/net is
// that of the process's first thread. A fn that calls runtime.Goexit, as
// testing.T.FailNow does, ends the caller's goroutine too.
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

// Netlink is the host's route socket. It is closed with the lab, not by the caller.
func (h *Host) Netlink() *netlink.Handle { return h.handle }

// enter moves the calling thread into the host's network namespace, for good.
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

// unshare gives the calling thread a new network namespace and keeps a file of it.
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

// close lets go of the namespace; the kernel takes it down when the last
// process in it and the last socket of it are gone too.
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

// onFile runs fn on the descriptor of f, which cannot be closed and its number
// given to another file meanwhile.
func onFile(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = fn(int(fd)) }); err != nil {
		return os.ErrClosed // the one way in which Control fails
	}
	return failed
}
