package host

import (
	"errors"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// yieldAfter is after how many refused connections Accept lets the goroutines run that serve
// the others. Without that, they would wait for 10 ms each time.
const yieldAfter = 16

// Accept waits for the next connection that admit lets in, and closes all others at once.
// admit gets the credentials of the peer; it must not wait for anything. It is asked before
// anything is set up for a connection, so that to refuse one costs no more than to make one,
// and many who connect again and again do not keep others waiting.
//
// The error is net.ErrClosed after Close. IsExhausted tells errors that can go away: a connection
// that met one waits for the next call, which asks about it again. One goroutine calls Accept.
func (l *ControlListener) Accept(admit func(Peer) bool) (*net.UnixConn, error) {
	for refused := 1; ; refused++ {
		a, err := l.next()
		if err != nil {
			return nil, err
		}
		if peer, err := peerOf(a.fd); err != nil || !admit(peer) {
			a.close()
			if refused%yieldAfter == 0 {
				runtime.Gosched()
			}
			continue
		}
		c, err := a.conn()
		if IsExhausted(err) {
			l.waiting = a
			return nil, err
		}
		a.close()
		return c, err
	}
}

// accepted is a connection that the kernel has handed out.
type accepted struct {
	fd   int
	file *os.File // owns the descriptor, once a net.Conn was to be made of it
}

// next returns the connection that waits, or else the next one.
func (l *ControlListener) next() (*accepted, error) {
	if a := l.waiting; a != nil {
		l.waiting = nil
		return a, nil
	}
	fd, err := l.accept()
	return &accepted{fd: fd}, err
}

// conn returns a net.Conn with a copy of the descriptor.
func (a *accepted) conn() (*net.UnixConn, error) {
	if a.file == nil {
		a.file = os.NewFile(uintptr(a.fd), "control")
	}
	c, err := net.FileConn(a.file)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

func (a *accepted) close() {
	if a.file == nil {
		unix.Close(a.fd)
		return
	}
	a.file.Close()
}

// IsExhausted reports whether an error of Accept says that this process, or the host, has no
// descriptor or no memory for one more connection.
func IsExhausted(err error) bool {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// accept returns the next connection, in non-blocking mode.
func (l *ControlListener) accept() (fd int, err error) {
	errRead := l.raw.Read(func(socket uintptr) bool {
		for {
			fd, _, err = unix.Accept4(int(socket), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			if err != unix.EINTR && err != unix.ECONNABORTED {
				return err != unix.EAGAIN
			}
		}
	})
	if errRead != nil { // the only reason is Close
		return -1, net.ErrClosed
	}
	return fd, os.NewSyscallError("accept", err)
}

// DescriptorLimit returns how many descriptors this process may have open (RLIMIT_NOFILE); at
// most some million.
func DescriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<20))
}
