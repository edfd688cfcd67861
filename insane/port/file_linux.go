package port

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// pollRetry is the interval at which Read tries again while the poller refuses to wait.
const pollRetry = 10 * time.Millisecond

// file is a non-blocking descriptor: a queue of a TAP, or a packet socket. Each read
// system call returns one frame, and each write system call takes one frame, with the
// virtio header in front. Go's poller waits for the descriptor, so that Close wakes a
// goroutine that waits in Read or Write.
type file struct {
	f   *os.File
	raw syscall.RawConn

	arena   arena
	readErr error
	// readFrame reads one frame into buf and returns where in buf it is. The error is an
	// errno. EINTR means that the frame is lost and the next one can be read.
	readFrame func(fd int, buf []byte) (from, to int, err error)
	// writeFrame writes one frame. The error is an errno.
	writeFrame func(fd int, f frame.Frame) error

	drainFn func(fd uintptr) bool // f.drain, bound once: a method value allocates
	lookFn  func(fd uintptr)      // f.drain without waiting

	out      []frame.Frame
	sent     int
	writeErr error
	sendFn   func(fd uintptr) bool
	progress atomic.Uint64
}

// newFile makes a file of a descriptor that is non-blocking already. On success f belongs
// to the file.
func newFile(f *os.File) (*file, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	p := &file{f: f, raw: raw, arena: newArena(), readFrame: readWhole, writeFrame: writeWhole}
	p.drainFn, p.sendFn = p.drain, p.send
	p.lookFn = func(fd uintptr) { p.drain(fd) }
	return p, nil
}

// Read implements Port.
func (p *file) Read() ([]frame.Frame, error) {
	p.arena.reset()
	p.readErr = nil
	for p.raw.Read(p.drainFn) != nil {
		// Either the file is closed, or the kernel has told the poller of an
		// error and of nothing else. Then the poller refuses to wait until
		// another event comes (runtime/netpoll_epoll.go, setEventErr). This
		// is so after the TAP was deleted.
		if p.raw.Control(p.lookFn) != nil {
			return nil, os.ErrClosed
		}
		if len(p.arena.frames) > 0 || p.readErr != nil {
			break
		}
		time.Sleep(pollRetry)
	}
	if len(p.arena.frames) == 0 {
		return nil, p.readErr
	}
	return p.arena.frames, nil
}

// drain reads frames until none waits or the arena is full. It returns false if there was
// no frame at all, which makes the poller wait. If an error comes after good frames, drain
// leaves it: the next Read gets the same error again.
func (p *file) drain(fd uintptr) bool {
	for !p.arena.full() {
		from, to, err := p.readFrame(int(fd), p.arena.next())
		switch err {
		case nil:
			p.arena.took(from, to)
		case unix.EINTR:
		case unix.EAGAIN:
			return len(p.arena.frames) > 0
		case unix.ENETDOWN:
			// A packet socket reports once that its interface went down or
			// was deleted (net/packet/af_packet.c, packet_notifier). No
			// frame was lost and the socket can be used again when the
			// interface comes up: the watcher of links decides what to do.
		default:
			p.readErr = portError(err.(unix.Errno))
			return true
		}
	}
	return true
}

// readWhole reads one frame from a descriptor that keeps no part of a frame elsewhere.
func readWhole(fd int, buf []byte) (from, to int, err error) {
	to, err = unix.Read(fd, buf)
	return 0, to, err
}

// Write implements Port.
func (p *file) Write(frames []frame.Frame) (int, error) {
	p.out, p.sent, p.writeErr = frames, 0, nil
	if p.raw.Write(p.sendFn) != nil {
		return p.sent, os.ErrClosed
	}
	return p.sent, p.writeErr
}

// send writes frames until one is refused. It returns false, which makes the poller wait
// for room, when the kernel says that the socket's send buffer is full.
func (p *file) send(fd uintptr) bool {
	n, err := writeFrames(int(fd), p.out[p.sent:], p.writeFrame, &p.progress)
	p.sent += n
	if err == unix.EAGAIN {
		return false
	}
	p.writeErr = err
	return true
}

// Progress implements Port. The TAP always has room, so Write never waits.
func (p *file) Progress() uint64 { return p.progress.Load() }

// writeWhole writes one frame to a descriptor that takes it as it is.
func writeWhole(fd int, f frame.Frame) error {
	_, err := unix.Write(fd, f)
	return err
}

// writeFrames writes frames until one is refused, and returns how many were written. The
// error is the one of portError for the refused frame, or EAGAIN if there is no room now.
// Each system call that returns is progress.
func writeFrames(fd int, frames []frame.Frame, write func(int, frame.Frame) error, progress *atomic.Uint64) (n int, err error) {
	for n < len(frames) {
		err := write(fd, frames[n])
		progress.Add(1)
		switch err {
		case nil:
			n++
		case unix.EINTR:
		case unix.EAGAIN:
			return n, err
		default:
			return n, portError(err.(unix.Errno))
		}
	}
	return n, nil
}

// Close implements Port.
func (p *file) Close() error { return closeFile(p.f) }

// closeFile closes a file. It is no error if the file is closed already.
func closeFile(f *os.File) error {
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// portError turns an errno of a read or a write into an error of this package. The errnos
// of a TAP are in drivers/net/tun.c, tun_get_user and tun_chr_read_iter; those of a packet
// socket are in net/packet/af_packet.c, packet_snd.
func portError(errno unix.Errno) error {
	switch errno {
	case unix.ENOBUFS:
		return ErrBusy
	case unix.EIO, unix.ENETDOWN: // EIO: the TAP's way to say that it is down
		return ErrDown
	case unix.ENXIO, unix.ENODEV, unix.EBADFD:
		return ErrGone
	case unix.EINVAL:
		return ErrInvalid
	case unix.EMSGSIZE:
		return ErrTooBig
	}
	return errno
}
