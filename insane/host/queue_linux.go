package host

import (
	"fmt"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Egress says what works on the frames that a link sends before the driver gets them: a
// queueing discipline, or filters of tc at egress. It returns "" if there is nothing. The
// filters of the name own are the device's and do not count.
func (l *Links) Egress(index int, own string) (string, error) {
	qdisc, err := l.attribute(index, unix.IFLA_QDISC)
	if err != nil {
		return "", err
	}
	if kind := unix.ByteSliceToString(qdisc); kind != "noqueue" && kind != "noop" {
		return "queueing discipline " + kind, nil
	}
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
	filters, err := l.h.FilterList(link, netlink.HANDLE_MIN_EGRESS)
	if err != nil {
		return "", nil // the link has no place for filters
	}
	for _, f := range filters {
		if bpf, ok := f.(*netlink.BpfFilter); !ok || bpf.Name != own {
			return "filters of tc at egress", nil
		}
	}
	return "", nil
}

// QdiscByDefault reports whether nobody has configured the queueing discipline of a link:
// the kernel has chosen it because the link had none, or had lost its own
// (net/sched/sch_generic.c, attach_default_qdiscs).
func (l *Links) QdiscByDefault(index int) (bool, error) {
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
	found, err := dump(func() ([]netlink.Qdisc, error) { return l.h.QdiscList(link) })
	if err != nil {
		return false, fmt.Errorf("list queueing disciplines: %w", err)
	}
	for _, q := range found {
		// Only a configured discipline has a handle (net/sched/sch_api.c,
		// qdisc_create).
		if a := q.Attrs(); a.Parent == netlink.HANDLE_ROOT {
			return a.Handle == 0, nil
		}
	}
	return true, nil
}

// channels is struct ethtool_channels of uapi/linux/ethtool.h.
type channels struct {
	command  uint32
	_        [4]uint32 // greatest values of the four below
	_        uint32    // receive channels
	tx       uint32
	_        uint32 // other channels
	combined uint32
}

// TxQueues returns the number of transmit queues of the link with this name, in the
// network namespace of the calling thread: those that only transmit and those that also
// receive. It returns 1 if the driver does not tell, or if there is no such link.
func TxQueues(name string) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 1
	}
	defer unix.Close(fd)
	c := channels{command: unix.ETHTOOL_GCHANNELS}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data *channels
		_    [16]byte // the rest of struct ifreq, all of which the kernel copies
	}{data: &c}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return 1
	}
	return max(1, int(c.tx+c.combined))
}

// SkipQdisc removes the queueing discipline of the interface: frames go directly into the
// queue of the TAP. When a send call returns, its frame is in that queue or dropped.
func (i *Interface) SkipQdisc() error {
	now, err := i.Look()
	if err != nil {
		return err
	}
	err = i.links.h.QdiscReplace(&netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: now.Index, Parent: netlink.HANDLE_ROOT},
		QdiscType:  "noqueue",
	})
	if err != nil {
		return fmt.Errorf("set queueing discipline of %s: %w", now.Name, err)
	}
	return nil
}
