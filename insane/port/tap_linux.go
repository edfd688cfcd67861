package port

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// tapOffloads is the work that the host may leave undone in frames that it sends through
// the TAP: checksums, the segmentation of TCP and, on kernels from 6.2 on, of UDP
// (uapi/linux/if_tun.h). Without offloads a stream crosses in packets of one MTU and costs
// ten times as much.
const (
	tapOffloads    = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	tapOffloadsUDP = unix.TUN_F_USO4 | unix.TUN_F_USO6
)

// TAP is a Port: one queue of the interface that the host sees. The interface exists while
// the TAP is open, and the kernel deletes it when the process ends in any way. Everything
// that is changed over netlink is in host.Interface. The methods other than Read and Write
// may be called from any goroutine; they fail after Close.
type TAP struct {
	*file
	name     string // as created, for errors
	home     netns  // the network namespace in which it was opened
	header   int    // length of the virtio header in bytes
	offloads int    // that the kernel has granted
}

// OpenTAP creates the interface called name in the network namespace of the calling
// thread. The interface is down and has no carrier. OpenTAP fails if there is a link of
// that name. On an error nothing is left. The caller should pass the TAP to
// host.NewInterface before the interface is used.
func OpenTAP(name string) (*TAP, error) {
	creator, err := createTAP(name)
	if err != nil {
		return nil, err
	}
	defer creator.Fds[0].Close()
	ifce, err := water.New(water.Config{
		DeviceType:             water.TAP,
		PlatformSpecificParams: water.PlatformSpecificParams{Name: name, MultiQueue: true},
	})
	if err != nil {
		return nil, fmt.Errorf("open queue of %s: %w", name, err)
	}
	t, err := newTAP(name, ifce)
	if err != nil {
		ifce.Close()
		return nil, fmt.Errorf("set up %s: %w", name, err)
	}
	return t, nil
}

// createTAP creates the interface over netlink, which can ask for the virtio header;
// package water cannot. The queue that water opens afterwards inherits the header, and
// then the queue in Fds may be closed. With IFF_TUN_EXCL the kernel lets only one of
// several daemons create the same name; the others fail.
func createTAP(name string) (*netlink.Tuntap, error) {
	tap := &netlink.Tuntap{
		LinkAttrs:  netlink.LinkAttrs{Name: name},
		Mode:       netlink.TUNTAP_MODE_TAP,
		Flags:      netlink.TUNTAP_MULTI_QUEUE_DEFAULTS | netlink.TUNTAP_VNET_HDR | netlink.TUNTAP_TUN_EXCL,
		Queues:     1,
		NonPersist: true,
	}
	if taken := nameTaken(name); taken != nil {
		return nil, taken
	}
	if err := checkDevice(); err != nil {
		return nil, fmt.Errorf("create interface %s: %w", name, err)
	}
	if err := netlink.LinkAdd(tap); err != nil {
		if taken := nameTaken(name); taken != nil {
			return nil, taken // since a moment ago
		}
		if strings.Contains(err.Error(), unix.EPERM.Error()) {
			err = unix.EPERM // the library keeps only the text of the errno
		}
		return nil, fmt.Errorf("create interface %s: %w", name, err)
	}
	return tap, nil
}

// nameTaken returns an error if a link has the name, or has it as an alternative name.
func nameTaken(name string) error {
	found, err := netlink.LinkByName(name)
	switch {
	case err != nil:
		return nil
	case found.Attrs().Name != name:
		return fmt.Errorf("create interface %s: it is an alternative name of the link %s", name, found.Attrs().Name)
	}
	return fmt.Errorf("create interface %s: there is a link of that name", name)
}

// newTAP sets up the queue that water has opened. The file of ifce belongs to the TAP, unless
// it was still open after an error.
func newTAP(name string, ifce *water.Interface) (*TAP, error) {
	f, ok := ifce.ReadWriteCloser.(*os.File)
	if !ok {
		return nil, fmt.Errorf("queue is a %T, not a file", ifce.ReadWriteCloser)
	}
	d, err := takeOver(f)
	if err != nil {
		return nil, err
	}
	t := &TAP{file: newFile(d), name: name}
	t.readFrame = readTAP
	if err := t.setUp(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// readTAP reads one frame. It returns an empty one if the kernel has lost the frame since it
// cannot describe it in the virtio header: that may have become too short, as another program
// that has opened the interface can change its length at any time (drivers/net/tun.c,
// tun_put_user).
func readTAP(fd int, buf []byte) (from, to int, err error) {
	to, err = unix.Read(fd, buf)
	if err == unix.EFAULT || err == unix.EINVAL {
		return 0, 0, nil
	}
	return 0, to, err
}

// setUp prepares the descriptor and the interface.
func (t *TAP) setUp() error {
	if err := t.remember(); err != nil {
		return fmt.Errorf("find its network namespace: %w", err)
	}
	if err := t.offload(); err != nil {
		return fmt.Errorf("set offloads: %w", err)
	}
	return t.SetCarrier(false)
}

// offload asks for all offloads. If the kernel refuses those of UDP tunnels, or UDP
// segmentation as well, it asks for the others only.
func (t *TAP) offload() error {
	t.header = frame.HeaderLen
	if t.offloadTunnels() || t.setOffloads(tapOffloads|tapOffloadsUDP) == nil {
		return nil
	}
	return t.setOffloads(tapOffloads)
}

// setOffloads asks for these offloads, and remembers them if the kernel grants them.
func (t *TAP) setOffloads(flags int) error {
	err := t.ioctl(func(fd int) error { return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, flags) })
	if err == nil {
		t.offloads = flags
	}
	return err
}

// setHeader sets the length of the virtio header, in bytes.
func (t *TAP) setHeader(length int) error {
	return t.ioctl(func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, length) })
}

// SetFilter makes every frame that the host sends pass an eBPF program of type
// BPF_PROG_TYPE_SOCKET_FILTER before it enters the queue. program is a descriptor of it
// and may be closed afterwards: the queue holds the program. A frame that the program
// refuses counts as dropped by the interface.
func (t *TAP) SetFilter(program int) error {
	err := t.ioctl(func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TUNSETFILTEREBPF, program) })
	if err != nil {
		return fmt.Errorf("set filter of %s: %w", t.name, err)
	}
	return nil
}

// SetSteering makes an eBPF program of type BPF_PROG_TYPE_SOCKET_FILTER choose the queue of
// each frame, if the interface has several. program is a descriptor of it and may be closed
// afterwards.
func (t *TAP) SetSteering(program int) error {
	err := t.ioctl(func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TUNSETSTEERINGEBPF, program) })
	if err != nil {
		return fmt.Errorf("set steering of %s: %w", t.name, err)
	}
	return nil
}

// SetCarrier makes the host see a cable that is plugged in, or one that is not.
func (t *TAP) SetCarrier(on bool) error {
	value := 0
	if on {
		value = 1
	}
	err := t.ioctl(func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TUNSETCARRIER, value) })
	if err != nil {
		return fmt.Errorf("set carrier of %s: %w", t.name, err)
	}
	return nil
}

// ioctl calls f with the descriptor. Close waits until f has returned.
func (t *TAP) ioctl(f func(fd int) error) error {
	var ferr error
	if err := t.raw.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}
