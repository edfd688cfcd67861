package port

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// netns identifies a network namespace: the device and the inode of its file. No two
// namespaces that exist at the same time have the same.
type netns struct{ device, inode uint64 }

// Where returns the present name of the interface, and whether it is in the network
// namespace in which the TAP was opened. The answer comes from the descriptor, so it is
// about this interface even if another link has got its name or its index. Where waits for
// the kernel's lock on network configuration. It fails when the interface was deleted, and
// after Close.
func (t *TAP) Where() (name string, home bool, err error) {
	err = t.ioctl(func(fd int) error {
		request, err := unix.NewIfreq("")
		if err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.TUNGETIFF, request); err != nil {
			return err
		}
		name = request.Name()
		home, err = isHome(fd, t.home)
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("find the interface of %s: %w", t.name, err)
	}
	return name, home, nil
}

// remember records the network namespace in which the descriptor was opened.
func (t *TAP) remember() error {
	return t.ioctl(func(fd int) (err error) {
		t.home, err = netnsOf(fd, unix.SIOCGSKNS)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
			return nil // see isHome
		}
		return err
	})
}

// isHome reports whether the interface of a TAP is in a namespace. A namespace that this
// process may not ask about is another one, because it has rights in its own. On kernels
// before 5.2, which do not tell, the interface counts as at home.
func isHome(fd int, home netns) (bool, error) {
	now, err := netnsOf(fd, unix.TUNGETDEVNETNS)
	switch {
	case errors.Is(err, unix.EPERM):
		return false, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTTY):
		return true, nil
	}
	return now == home, err
}

// netnsOf asks for a namespace: SIOCGSKNS is the one in which the descriptor was opened,
// TUNGETDEVNETNS the one in which its interface is.
func netnsOf(fd int, request uint) (n netns, err error) {
	file, err := unix.IoctlRetInt(fd, request)
	if err != nil {
		return n, err
	}
	defer unix.Close(file)
	var stat unix.Stat_t
	if err := unix.Fstat(file, &stat); err != nil {
		return n, err
	}
	return netns{uint64(stat.Dev), stat.Ino}, nil
}
