package port

import (
	"fmt"
	"unsafe"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Glance is ByIndex that never waits: it reads only what the kernel tells without
// its lock on network configuration, which others may hold for seconds. The result
// has Index, Name, MTU, Up and TxDropped. It must be called in the namespace that
// Links was opened in.
func (l *Links) Glance(index int) (Link, error) {
	link, err := l.glance(index)
	if err != nil {
		return Link{}, fmt.Errorf("look at link index %d: %w", index, err)
	}
	return link, nil
}

func (l *Links) glance(index int) (Link, error) {
	request, err := unix.NewIfreq("")
	if err != nil {
		return Link{}, err
	}
	// net/core/dev_ioctl.c, dev_ifname and dev_ifsioc_locked
	fd := l.raw.Socket.GetFd()
	request.SetUint32(uint32(index))
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFNAME, request); err != nil {
		return Link{}, err
	}
	name := request.Name()
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFMTU, request); err != nil {
		return Link{}, err
	}
	link := Link{Index: index, Name: name, MTU: int(request.Uint32())}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return Link{}, err
	}
	link.Up = request.Uint16()&unix.IFF_UP != 0
	proc, err := procfs.NewFS("/proc/thread-self")
	if err != nil {
		return Link{}, err
	}
	devices, err := proc.NetDev() // net/core/net-procfs.c
	if err != nil {
		return Link{}, err
	}
	link.TxDropped = devices[name].TxDropped
	return link, nil
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
