package port

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// pollRetry is the interval at which Read tries again a descriptor that reports an error and
// returns none. This is so for a moment while a TAP is deleted.
const pollRetry = 10 * time.Millisecond

// file is a queue of a TAP or a packet socket. Each read system call returns one frame, and
// each write system call takes one frame, with the virtio header in front. The thread of the
// goroutine that reads sleeps in the kernel by itself: a frame wakes that thread and no
// other.
type file struct {
	raw  *descriptor
	wait *waiter

	arena   arena
	readErr error
	// readFrame reads one frame into buf and returns where in buf it is. The error is an
	// errno. EINTR means that the frame is lost and the next one can be read.
	readFrame func(fd int, buf []byte) (from, to int, err error)
	// writeFrame writes one frame. The error is an errno.
	writeFrame func(fd int, f frame.Frame) error

	progress atomic.Uint64
}

// newFile makes a file of a descriptor.
func newFile(d *descriptor) *file {
	return &file{raw: d, wait: newWaiter(d), arena: newArena(), readFrame: readWhole, writeFrame: writeWhole}
}

// Read implements Port.
func (p *file) Read(until policy.Time) ([]frame.Frame, error) {
	p.arena.reset()
	p.readErr = nil
	if !p.raw.enter() {
		return nil, os.ErrClosed
	}
	defer p.raw.leave()
	for dry := false; !p.drain(p.raw.fd); dry = p.wait.failed() {
		if due, err := p.rest(until, dry); due || err != nil {
			return nil, err
		}
		if p.wait.rang() && p.raw.woken() {
			if p.raw.closed.Load() {
				return nil, os.ErrClosed
			}
			return nil, nil
		}
	}
	if len(p.arena.frames) == 0 {
		return nil, p.readErr
	}
	return p.arena.frames, nil
}

// rest sleeps until it is worth reading again, and spins through the last moment before the
// time until; each call is one turn of that. due: the time has come.
func (p *file) rest(until policy.Time, dry bool) (due bool, err error) {
	if until == 0 {
		return false, p.wait.sleep(0, dry)
	}
	now := clock()
	if now >= until {
		return true, nil
	}
	lead := p.wait.lead(now, until)
	if until-now > lead {
		return false, p.wait.sleep(until-lead, dry)
	}
	p.wait.spin(now, until)
	return false, nil
}

// drain reads frames until none waits or the arena is full. It returns false if there was
// neither a frame nor an error. If an error comes after good frames, drain leaves it: the
// next Read gets the same error again.
func (p *file) drain(fd int) bool {
	for !p.arena.full() {
		from, to, err := p.readFrame(fd, p.arena.next())
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
	if !p.raw.enter() {
		return 0, os.ErrClosed
	}
	defer p.raw.leave()
	n, err := writeFrames(p.raw.fd, frames, p.writeFrame, &p.progress)
	if err == unix.EAGAIN { // a TAP always has room
		err = ErrBusy
	}
	return n, err
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

// Wake implements Port.
func (p *file) Wake() { p.raw.Wake() }

// Close implements Port. It waits for Read and Write, which it wakes.
func (p *file) Close() error { return p.raw.Close() }

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
