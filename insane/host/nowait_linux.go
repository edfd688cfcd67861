package host

import (
	"fmt"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// ByIndexNoWait is ByIndex without waiting: it uses only calls for which the kernel does
// not take its lock on network configuration. Another process may hold this lock for
// seconds. The result has Index, Name, MTU, Up and TxDropped only. It must be called in
// the network namespace in which the Links were opened. An error may mean that there is no
// such link, but it is not ErrNoLink.
func (l *Links) ByIndexNoWait(index int) (Link, error) {
	link, err := l.byIndexNoWait(index)
	if err != nil {
		return Link{}, fmt.Errorf("look at link index %d: %w", index, err)
	}
	return link, nil
}

// byIndexNoWait asks for one value after the other. If the link is renamed in between, it
// returns an error or no counter.
func (l *Links) byIndexNoWait(index int) (Link, error) {
	request, err := unix.NewIfreq("")
	if err != nil {
		return Link{}, err
	}
	// These requests take no lock: net/core/dev_ioctl.c, dev_ifname and
	// dev_ifsioc_locked.
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
