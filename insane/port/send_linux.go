package port

import (
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// sender is a packet socket that sends and does not receive. It is a blocking socket and
// does not use Go's poller. The poller would ask for events about room for writing; these
// come with every frame that leaves, and would wake the poller each time.
type sender struct {
	f      *os.File
	raw    syscall.RawConn
	closed atomic.Bool

	progress atomic.Uint64
	label    Label // of the socket

	out     []frame.Frame
	sent    int
	err     error
	headers [batchFrames]unix.Mmsghdr
	vectors [batchFrames]unix.Iovec
	// sendFn is s.send. It is bound once, because a method value allocates.
	sendFn func(fd uintptr) bool
}

// openSender opens the socket on the link with this index. The name is for error messages
// only. The socket is bound without a protocol and so receives nothing.
func openSender(index int, name string) (*sender, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &sender{f: os.NewFile(uintptr(fd), "sender "+name)}
	if err := s.setUp(fd, index); err != nil {
		s.f.Close()
		return nil, err
	}
	return s, nil
}

// setUp sets the options of the socket and binds it.
func (s *sender) setUp(fd, index int) (err error) {
	if err := setOptions(fd, []option{{"PACKET_VNET_HDR", unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1}}); err != nil {
		return err
	}
	if err := setBuffer(fd, sendBuffer, slaveSendBytes); err != nil {
		return err
	}
	patience := unix.NsecToTimeval(WaitTurn.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index}); err != nil {
		return err
	}
	s.sendFn = s.send
	s.raw, err = s.f.SyscallConn()
	return err
}

// Cookie returns the number by which the kernel tells this socket from all others since the
// machine was started (SO_COOKIE).
func (s *sender) Cookie() (cookie uint64, err error) {
	if failed := s.raw.Control(func(fd uintptr) {
		cookie, err = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_COOKIE)
	}); failed != nil {
		return 0, os.ErrClosed
	}
	return cookie, err
}

// Write implements Port.
func (s *sender) Write(frames []frame.Frame) (int, error) {
	s.out, s.sent, s.err = frames, 0, nil
	if s.raw.Write(s.sendFn) != nil {
		return s.sent, os.ErrClosed
	}
	return s.sent, s.err
}

// SetLabel implements Labeller. It costs nothing if the label is that of the frames before.
func (s *sender) SetLabel(l Label) (err error) {
	if l == s.label {
		return nil
	}
	set := func(fd uintptr) {
		if err = setLabel(int(fd), l); err != nil {
			l = Label{}
			_ = setLabel(int(fd), l) // so far as the first call has changed it
		}
	}
	if s.raw.Control(set) != nil {
		return os.ErrClosed
	}
	s.label = l
	return err
}

// setLabel gives a label to what a socket sends.
func setLabel(fd int, l Label) error {
	return setOptions(fd, []option{
		{"SO_PRIORITY", unix.SOL_SOCKET, unix.SO_PRIORITY, int(int32(l.Priority))},
		{"SO_MARK", unix.SOL_SOCKET, unix.SO_MARK, int(int32(l.Mark))},
	})
}

// Progress implements Port.
func (s *sender) Progress() uint64 { return s.progress.Load() }

// send writes frames until one is refused or the sender is closed. It always returns true:
// the poller never waits.
func (s *sender) send(fd uintptr) (done bool) {
	for s.sent < len(s.out) && s.err == nil {
		n, err := s.sendMany(int(fd), s.out[s.sent:])
		if s.sent += n; err == unix.EAGAIN {
			n, err = s.sendOne(int(fd), s.out[s.sent:])
			s.sent += n
		}
		s.err = err
	}
	return true
}

// sendMany sends frames with one system call, as far as there is room for them. It returns
// how many were sent; the error is the one of portError for the first frame, or EAGAIN if
// sendOne should send that. If the kernel refuses a later frame, it does not say why, and
// the next call asks it again.
func (s *sender) sendMany(fd int, frames []frame.Frame) (int, error) {
	if len(frames) == 1 {
		return 0, unix.EAGAIN
	}
	frames = frames[:min(len(frames), batchFrames)]
	for i, f := range frames {
		if len(f) == 0 {
			frames = frames[:i]
			break
		}
		s.vectors[i].Base = &f[0]
		s.vectors[i].SetLen(len(f))
		s.headers[i].Hdr.Iov, s.headers[i].Hdr.Iovlen = &s.vectors[i], 1
	}
	if len(frames) == 0 {
		return 0, unix.EAGAIN
	}
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&s.headers)), uintptr(len(frames)), unix.MSG_DONTWAIT, 0, 0)
	s.progress.Add(1)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	case unix.EAGAIN:
		return 0, errno
	}
	return 0, portError(errno)
}

// sendOne sends the first of the frames, and waits for room for it until the sender is
// closed. The kernel lets a write wait for WaitTurn at most, and then sendOne looks.
func (s *sender) sendOne(fd int, frames []frame.Frame) (int, error) {
	for {
		n, err := writeFrames(fd, frames[:1], writeWhole, &s.progress)
		if err != unix.EAGAIN { // EAGAIN: WaitTurn is over
			return n, err
		}
		if s.closed.Load() {
			return n, os.ErrClosed
		}
	}
}

// Close makes a Write that waits return os.ErrClosed, at the latest after WaitTurn.
func (s *sender) Close() error {
	s.closed.Store(true)
	return closeFile(s.f)
}
