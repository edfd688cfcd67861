package port

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// tunDevice is the file that opens queues of TAPs.
const tunDevice = "/dev/net/tun"

// checkDevice returns nil if tunDevice can be used. Otherwise the error names the file and
// says what to do. It wraps no errno but EMFILE: the rights of the process are not the reason, or
// not the only one.
func checkDevice() error {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = unix.IoctlGetInt(fd, unix.TUNGETFEATURES)
		unix.Close(fd)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("open %s: %w", tunDevice, err)
	}
	return fmt.Errorf("%s: %v%s", tunDevice, err, deviceAdvice(err))
}

// withoutDevices reports whether no device file can be opened on the file system of path.
func withoutDevices(path string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(path, &stat) == nil && stat.Flags&unix.ST_NODEV != 0
}

// deviceAdvice returns what to do about an error of tunDevice, "" if that is not known.
func deviceAdvice(err error) string {
	const container = "start the container with --device " + tunDevice
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return ": load the kernel module (modprobe tun); in a container, " + container
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return ": the kernel has no driver for it: load its module (modprobe tun)"
	case errors.Is(err, unix.EPERM):
		return ": the device rules of the container or service forbid it: " + container + ", or with DeviceAllow=" + tunDevice + " rw"
	case errors.Is(err, unix.EACCES) && withoutDevices(tunDevice):
		return ": its file system is mounted without devices (nodev): mount it without that; in a container, " + container
	case errors.Is(err, unix.EACCES):
		return ": this user may not open it for reading and writing: change the mode of the file, or run as root"
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EISDIR):
		return ": it is another file: make it with mknod " + tunDevice + " c 10 200"
	}
	return ""
}
