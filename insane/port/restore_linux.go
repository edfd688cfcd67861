package port

import (
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Intact reports whether frames still have the virtio header with which the TAP was opened.
// The length of the header belongs to the whole interface, and another program that has
// opened the interface may have changed it; then no frame makes sense. Intact waits for the
// kernel's lock on network configuration.
func (t *TAP) Intact() (bool, error) {
	header := 0
	err := t.ioctl(func(fd int) (err error) {
		header, err = unix.IoctlGetInt(fd, unix.TUNGETVNETHDRSZ)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("ask for the header of %s: %w", t.name, err)
	}
	return header == t.header, nil
}

// Restore makes again what belongs to the whole interface and another program that has opened
// it may have changed: the virtio header, the offloads, the room for frames to the host, and
// that the interface goes with the last one who has it open. It removes filters that are not
// SetFilter's. It cannot give back a filter or a steering program that was replaced. Restore
// waits for the kernel's lock on network configuration, several times.
func (t *TAP) Restore() error {
	pointer := func(request uint, value int) error {
		return t.ioctl(func(fd int) error { return unix.IoctlSetPointerInt(fd, request, value) })
	}
	plain := func(request uint, value int) error {
		return t.ioctl(func(fd int) error { return unix.IoctlSetInt(fd, request, value) })
	}
	err := errors.Join(
		plain(unix.TUNSETPERSIST, 0),
		t.setHeader(t.header),
		pointer(unix.TUNSETVNETLE, 0),
		pointer(unix.TUNSETSNDBUF, math.MaxInt32), // as the kernel makes it
		pointer(unix.TUNSETTXFILTER, 0),           // struct tun_filter: no flags, no addresses
		plain(unix.TUNDETACHFILTER, 0),
		t.setOffloads(t.offloads),
	)
	if err != nil {
		return fmt.Errorf("restore %s: %w", t.name, err)
	}
	return nil
}
