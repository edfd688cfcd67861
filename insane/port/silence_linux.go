package port

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// silence is a Port from which nothing comes and which loses all frames.
type silence struct{ *file }

// OpenSilence opens a port on which Read waits for a time, for Wake and for Close only. It is
// for a relay that still has frames to pass on, and nowhere to read from.
func OpenSilence() (Port, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("open a port without a link: %w", err)
	}
	d, err := newDescriptor(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	s := silence{newFile(d)}
	s.readFrame = func(int, []byte) (from, to int, err error) { return 0, 0, unix.EAGAIN }
	return s, nil
}

// Write implements Port.
func (s silence) Write([]frame.Frame) (int, error) { return 0, ErrGone }
