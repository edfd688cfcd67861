package port

import (
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// descriptor is a non-blocking file descriptor that is outside Go's poller. The poller would
// be told of every frame that arrives, and would wake a second thread for each. Users of the
// number call enter before and leave after it, so that Close never closes it under them. All
// methods are safe for concurrent use.
type descriptor struct {
	fd     int
	wake   int // eventfd: readable after Wake and Close, until a user takes notice
	timer  int // timerfd on CLOCK_MONOTONIC, for those who sleep
	closed atomic.Bool
	ending sync.Once

	// users is held for reading by each user, and for writing by the Close that waits for
	// them. A user that sleeps polls wake as well, so that Close waits for nobody else.
	users sync.RWMutex
}

// newDescriptor takes over fd. After an error fd is still the caller's.
func newDescriptor(fd int) (*descriptor, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		unix.Close(wake)
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &descriptor{fd: fd, wake: wake, timer: timer}, nil
}

// takeOver makes a descriptor of an open file and closes the file. That takes the file out of
// Go's poller. On an error the file stays open.
func takeOver(f *os.File) (*descriptor, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var d *descriptor
	failed := raw.Control(func(fd uintptr) {
		var own int
		if own, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return
		}
		if d, err = newDescriptor(own); err != nil {
			unix.Close(own)
		}
	})
	if failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	f.Close()
	return d, nil
}

// enter reports whether the descriptor is open. If it is, it stays open until leave.
func (d *descriptor) enter() bool {
	d.users.RLock()
	if d.closed.Load() {
		d.users.RUnlock()
		return false
	}
	return true
}

// leave ends what enter began.
func (d *descriptor) leave() { d.users.RUnlock() }

// Control calls f with the number of the descriptor. After Close it returns os.ErrClosed.
func (d *descriptor) Control(f func(fd uintptr)) error {
	if !d.enter() {
		return os.ErrClosed
	}
	defer d.leave()
	f(uintptr(d.fd))
	return nil
}

// Wake makes the user that sleeps, or the next one that wants to, return at once. After Close
// it does nothing.
func (d *descriptor) Wake() {
	if d.enter() {
		d.ring()
		d.leave()
	}
}

// ring makes wake readable. The caller has called enter, or Close.
func (d *descriptor) ring() { _, _ = unix.Write(d.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// woken reports whether somebody has called Wake, and takes notice of it.
func (d *descriptor) woken() bool {
	var count [8]byte
	n, err := unix.Read(d.wake, count[:])
	return err == nil && n == len(count)
}

// Close wakes the user that sleeps, waits until there is no user any more, and closes the
// descriptor. A later call waits for the first one and returns nil.
func (d *descriptor) Close() (err error) {
	d.ending.Do(func() {
		d.closed.Store(true)
		d.ring()
		d.users.Lock()
		defer d.users.Unlock()
		err = os.NewSyscallError("close", unix.Close(d.fd))
		unix.Close(d.wake)
		unix.Close(d.timer)
	})
	return err
}
