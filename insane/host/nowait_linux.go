package host

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// ByIndexNoWait is ByIndex without waiting: it uses only calls for which the kernel does
// not take its lock on network configuration. Another process may hold this lock for
// seconds. The result has Index, Name, MTU, Up and TxDropped only, and all of them are of
// one link. It must be called in the network namespace in which the Links were opened. It
// fails if there is no such link, or if the link was renamed meanwhile; the error is not
// ErrNoLink.
func (l *Links) ByIndexNoWait(index int) (Link, error) {
	link, err := l.byIndexNoWait(index)
	if err != nil {
		return Link{}, fmt.Errorf("look at link index %d: %w", index, err)
	}
	return link, nil
}

// byIndexNoWait asks for one value after the other. Only the first question is about the
// index, the others are about the name. So it asks at the end whose the name is: another
// link may have got it.
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
	link := Link{Index: index, Name: request.Name()}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFMTU, request); err != nil {
		return Link{}, err
	}
	link.MTU = int(request.Uint32())
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return Link{}, err
	}
	link.Up = request.Uint16()&unix.IFF_UP != 0
	if link.TxDropped, err = txDropped(link.Name); err != nil {
		return Link{}, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request); err != nil {
		return Link{}, err
	}
	if now := int(request.Uint32()); now != index {
		return Link{}, fmt.Errorf("%s is index %d now", link.Name, now)
	}
	return link, nil
}

// txDropped returns how many packets the kernel could not give to the link of a name. It
// reads the list of the network namespace of the calling thread (net/core/net-procfs.c,
// dev_seq_printf_stats). The name may have any bytes that a name can have: the list has it
// as it is.
func txDropped(name string) (uint64, error) {
	const column = 11 // behind the name
	list, err := readAll("/proc/thread-self/net/dev")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(list) {
		// Names have no colon, and are filled up with spaces on the left.
		at, counters, ok := bytes.Cut(line, []byte(": "))
		if !ok || string(bytes.TrimLeft(at, " ")) != name {
			continue
		}
		if f := bytes.Fields(counters); len(f) > column {
			return strconv.ParseUint(string(f[column]), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s is not in the list of links", name)
}
