package port

import (
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// sendPatience is how long the kernel may keep a write waiting for room before
// the sender looks whether it was closed meanwhile.
const sendPatience = 100 * time.Millisecond

// sender is a packet socket that sends and does not receive. It blocks, and so
// stays out of the runtime's poller: that asks to be told of room for writing,
// which comes back with every frame that leaves, and would be woken by each of
// them, between two packets that have to wait for it.
type sender struct {
	f      *os.File
	raw    syscall.RawConn
	closed atomic.Bool

	out    []frame.Frame
	sent   int
	err    error
	sendFn func(fd uintptr) bool // s.send, bound once: a method value allocates
}

// openSender opens the socket on a link. Bound without a protocol it sees
// nothing of what arrives.
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

func (s *sender) setUp(fd, index int) (err error) {
	if err := setOptions(fd, []option{
		{"PACKET_VNET_HDR", unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		{"SO_SNDBUFFORCE", unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, slaveSendBytes},
	}); err != nil {
		return err
	}
	patience := unix.NsecToTimeval(sendPatience.Nanoseconds())
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

// Write implements Port.
func (s *sender) Write(frames []frame.Frame) (int, error) {
	s.out, s.sent, s.err = frames, 0, nil
	if s.raw.Write(s.sendFn) != nil {
		return s.sent, os.ErrClosed
	}
	return s.sent, s.err
}

// send writes frames until one is refused.
func (s *sender) send(fd uintptr) (done bool) {
	for {
		n, err := writeFrames(int(fd), s.out[s.sent:])
		s.sent += n
		if err != unix.EAGAIN { // EAGAIN: out of patience
			s.err = err
			return true
		}
		if s.closed.Load() {
			s.err = os.ErrClosed
			return true
		}
	}
}

// Close makes Write fail, at the latest when its patience ends.
func (s *sender) Close() error {
	s.closed.Store(true)
	return closeFile(s.f)
}
