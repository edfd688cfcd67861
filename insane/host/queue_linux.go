package host

import (
	"fmt"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Egress says what else than the driver has to do with what a link sends: a queueing
// discipline, or filters of tc; "" if nothing has. clsact: filters there are known.
func (l *Links) Egress(index int, clsact bool) (string, error) {
	qdisc, err := l.attribute(index, unix.IFLA_QDISC)
	if err != nil {
		return "", err
	}
	if kind := unix.ByteSliceToString(qdisc); kind != "noqueue" && kind != "noop" {
		return "queueing discipline " + kind, nil
	}
	if clsact {
		return "", nil
	}
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
	filters, err := l.h.FilterList(link, netlink.HANDLE_MIN_EGRESS)
	if err == nil && len(filters) > 0 {
		return "filters of tc at egress", nil
	}
	return "", nil // an error says that there is no place for any
}

// QdiscByDefault reports whether a link's queueing discipline is one that nobody has
// asked for: the kernel's choice for a link that has lost its own
// (net/sched/sch_generic.c, attach_default_qdiscs).
func (l *Links) QdiscByDefault(index int) (bool, error) {
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
	found, err := dump(func() ([]netlink.Qdisc, error) { return l.h.QdiscList(link) })
	if err != nil {
		return false, fmt.Errorf("list queueing disciplines: %w", err)
	}
	for _, q := range found {
		// Only one that is asked for has a handle (net/sched/sch_api.c, qdisc_create).
		if a := q.Attrs(); a.Parent == netlink.HANDLE_ROOT {
			return a.Handle == 0, nil
		}
	}
	return true, nil
}

// channels is struct ethtool_channels of uapi/linux/ethtool.h.
type channels struct {
	command  uint32
	_        [4]uint32 // the most there can be
	_        uint32    // for receiving
	tx       uint32
	_        uint32 // for other things
	combined uint32
}

// TxQueues is how many queues a link has for transmitting. One that does not tell
// has one.
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
		_    [16]byte // the kernel copies a whole struct ifreq
	}{data: &c}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return 1
	}
	return max(1, int(c.tx+c.combined))
}

// SkipQdisc makes frames go into the queue of the TAP without waiting in one of the
// kernel's before: who has sent a frame knows that it is there.
func (i *Interface) SkipQdisc() error {
	err := i.links.h.QdiscReplace(&netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: i.index, Parent: netlink.HANDLE_ROOT},
		QdiscType:  "noqueue",
	})
	if err != nil {
		return fmt.Errorf("set queueing discipline of %s: %w", i.link.Attrs().Name, err)
	}
	return nil
}
