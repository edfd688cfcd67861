package port

import (
	"fmt"
	"os"
	"strings"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tapOffloads is what the host may leave undone in frames that it sends
// through the TAP: checksums and the segmentation of TCP and, on kernels from
// 6.2 on, of UDP (uapi/linux/if_tun.h). Without them a stream crosses in
// packets of one MTU and costs ten times as much.
const (
	tapOffloads    = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	tapOffloadsUDP = unix.TUN_F_USO4 | unix.TUN_F_USO6
)

// tapQueueFrames is the length of the queue between host and relay. The kernel
// default of 500 overruns after 5 ms without the processor at 100,000 frames a
// second; 1000 is what Ethernet devices have.
const tapQueueFrames = 1000

// TAP is the interface that the host sees. It exists while it is open: no death
// of the process leaves it behind.
type TAP struct {
	*file
	links *Links
	index int
	link  netlink.Link // for calls that want one; only its index is used
}

// OpenTAP creates the interface called name, down and without carrier. It
// fails if there is a link of that name.
func OpenTAP(links *Links, name string) (*TAP, error) {
	creator, err := createTAP(links, name)
	if err != nil {
		return nil, err
	}
	defer creator.Close()
	ifce, err := water.New(water.Config{
		DeviceType:             water.TAP,
		PlatformSpecificParams: water.PlatformSpecificParams{Name: name, MultiQueue: true},
	})
	if err != nil {
		return nil, fmt.Errorf("open queue of %s: %w", name, err)
	}
	t, err := newTAP(links, name, ifce)
	if err != nil {
		ifce.Close()
		return nil, fmt.Errorf("set up %s: %w", name, err)
	}
	return t, nil
}

// createTAP makes the interface by netlink, which can ask for the virtio
// header; water cannot. The queue that water opens behind it inherits the
// header, and then the creator's own queue may go. IFF_TUN_EXCL makes two
// daemons that race for one name meet in the kernel: one of them fails.
func createTAP(links *Links, name string) (*os.File, error) {
	tap := &netlink.Tuntap{
		LinkAttrs:  netlink.LinkAttrs{Name: name},
		Mode:       netlink.TUNTAP_MODE_TAP,
		Flags:      netlink.TUNTAP_MULTI_QUEUE_DEFAULTS | netlink.TUNTAP_VNET_HDR | netlink.TUNTAP_TUN_EXCL,
		Queues:     1,
		NonPersist: true,
	}
	taken := fmt.Errorf("create interface %s: there is a link of that name", name)
	if _, err := links.ByName(name); err == nil {
		return nil, taken
	}
	if err := links.h.LinkAdd(tap); err != nil {
		if _, lookErr := links.ByName(name); lookErr == nil {
			return nil, taken // since a moment ago
		}
		if strings.Contains(err.Error(), unix.EPERM.Error()) {
			err = unix.EPERM // of which the library leaves only the text
		}
		return nil, fmt.Errorf("create interface %s: %w", name, err)
	}
	return tap.Fds[0], nil
}

func newTAP(links *Links, name string, ifce *water.Interface) (*TAP, error) {
	f, ok := ifce.ReadWriteCloser.(*os.File)
	if !ok {
		return nil, fmt.Errorf("queue is a %T, not a file", ifce.ReadWriteCloser)
	}
	l, err := links.ByName(name)
	if err != nil {
		return nil, err
	}
	p, err := newFile(f)
	if err != nil {
		return nil, err
	}
	t := &TAP{file: p, links: links, index: l.Index,
		link: &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: l.Index, Name: name}}}
	if err := t.setUp(name); err != nil {
		return nil, err
	}
	return t, nil
}

// setUp does what is done once to a new interface.
func (t *TAP) setUp(name string) error {
	if err := t.ioctl(setCloseOnExec); err != nil {
		return fmt.Errorf("set close-on-exec: %w", err)
	}
	if err := t.offload(); err != nil {
		return fmt.Errorf("set offloads: %w", err)
	}
	if err := t.SetCarrier(false); err != nil {
		return err
	}
	if err := t.links.h.LinkSetTxQLen(t.link, tapQueueFrames); err != nil {
		return fmt.Errorf("set queue length: %w", err)
	}
	return t.quietIPv6(name)
}

// offload asks for UDP segmentation and goes without where the kernel refuses.
func (t *TAP) offload() error {
	set := func(flags int) error {
		return t.ioctl(func(fd int) error { return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, flags) })
	}
	if set(tapOffloads|tapOffloadsUDP) == nil {
		return nil
	}
	return set(tapOffloads)
}

// SetFilter makes every frame pass the eBPF program behind a descriptor, of type
// BPF_PROG_TYPE_SOCKET_FILTER, on its way into the queue. The queue keeps it.
func (t *TAP) SetFilter(program int) error {
	err := t.ioctl(func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TUNSETFILTEREBPF, program) })
	if err != nil {
		return fmt.Errorf("set filter of %s: %w", t.link.Attrs().Name, err)
	}
	return nil
}

// SkipQdisc makes frames go into the queue of the TAP without waiting in one of the
// kernel's before: who has sent a frame knows that it is there.
func (t *TAP) SkipQdisc() error {
	err := t.links.h.QdiscReplace(&netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: t.index, Parent: netlink.HANDLE_ROOT},
		QdiscType:  "noqueue",
	})
	if err != nil {
		return fmt.Errorf("set queueing discipline of %s: %w", t.link.Attrs().Name, err)
	}
	return nil
}

// Index is the kernel's number of the interface; a renaming does not change it.
func (t *TAP) Index() int { return t.index }

// SetCarrier makes the host see a plugged or an unplugged cable.
func (t *TAP) SetCarrier(on bool) error {
	value := 0
	if on {
		value = 1
	}
	err := t.ioctl(func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TUNSETCARRIER, value) })
	if err != nil {
		return fmt.Errorf("set carrier of %s: %w", t.link.Attrs().Name, err)
	}
	return nil
}

// SetUp does what `ip link set up` does.
func (t *TAP) SetUp() error {
	if err := t.links.h.LinkSetUp(t.link); err != nil {
		return fmt.Errorf("set %s up: %w", t.link.Attrs().Name, err)
	}
	return nil
}

// SetAlias sets what `ip link` shows as alias; at most 255 bytes.
func (t *TAP) SetAlias(alias string) error {
	if err := t.links.h.LinkSetAlias(t.link, alias); err != nil {
		return fmt.Errorf("set alias of %s: %w", t.link.Attrs().Name, err)
	}
	return nil
}

func setCloseOnExec(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	return err
}

// ioctl runs f on the descriptor, which Close cannot take away meanwhile.
func (t *TAP) ioctl(f func(fd int) error) error {
	var ferr error
	if err := t.raw.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}
