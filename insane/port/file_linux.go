package port

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// pollRetry is how often Read looks for itself while the poller will not wait.
const pollRetry = 10 * time.Millisecond

// file is a non-blocking descriptor that carries a frame a read and a frame a
// write, each with its virtio header in front: a TAP queue or a packet socket.
// The runtime's poller waits for it, so that Close wakes whoever waits.
type file struct {
	f   *os.File
	raw syscall.RawConn

	arena   arena
	readErr error
	// readFrame reads one frame into buf and says where in it. A frame that is
	// lost is EINTR.
	readFrame func(fd int, buf []byte) (from, to int, err error)

	drainFn func(fd uintptr) bool // f.drain, bound once: a method value allocates
	lookFn  func(fd uintptr)      // the same, not waiting

	out      []frame.Frame
	sent     int
	writeErr error
	sendFn   func(fd uintptr) bool
}

func newFile(f *os.File) (*file, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	p := &file{f: f, raw: raw, arena: newArena(), readFrame: readWhole}
	p.drainFn, p.sendFn = p.drain, p.send
	p.lookFn = func(fd uintptr) { p.drain(fd) }
	return p, nil
}

// Read implements Port.
func (p *file) Read() ([]frame.Frame, error) {
	p.arena.reset()
	p.readErr = nil
	for p.raw.Read(p.drainFn) != nil {
		// Closed; or the poller was told of an error and of nothing else,
		// and does not wait until it is told of more (runtime/
		// netpoll_epoll.go, setEventErr). So it goes with a deleted TAP.
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

// drain reads until nothing waits or the arena is full. It returns false, and
// so makes the poller wait, if there was nothing at all. An error behind good
// frames is left for the next Read to meet again.
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
			// A packet socket says once that its interface went down or
			// away (net/packet/af_packet.c, packet_notifier). It is no
			// frame and no end: the link watcher knows more.
		default:
			p.readErr = portError(err.(unix.Errno))
			return true
		}
	}
	return true
}

// readWhole reads a frame that has all it is in its bytes.
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

// send writes frames until one is refused. It returns false, and so waits for
// room, when the kernel says that the socket's share of memory is used up.
func (p *file) send(fd uintptr) bool {
	n, err := writeFrames(int(fd), p.out[p.sent:])
	p.sent += n
	if err == unix.EAGAIN {
		return false
	}
	p.writeErr = err
	return true
}

// writeFrames writes frames until one is not taken. The error is what portError
// says of that one, or EAGAIN if there is no room for it now.
func writeFrames(fd int, frames []frame.Frame) (n int, err error) {
	for n < len(frames) {
		_, err := unix.Write(fd, frames[n])
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

// closeFile closes a file that may be closed already.
func closeFile(f *os.File) error {
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// portError names what an errno says of a frame that was written, or of the
// interface. TAP: drivers/net/tun.c, tun_get_user and tun_chr_read_iter; packet
// socket: net/packet/af_packet.c, packet_snd.
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
