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
// The error is net.ErrClosed after Close. IsExhausted tells errors that can go away.
func (l *ControlListener) Accept(admit func(Peer) bool) (*net.UnixConn, error) {
	for refused := 1; ; refused++ {
		fd, err := l.accept()
		if err != nil {
			return nil, err
		}
		if peer, err := peerOf(fd); err != nil || !admit(peer) {
			unix.Close(fd)
			if refused%yieldAfter == 0 {
				runtime.Gosched()
			}
			continue
		}
		return connOf(fd)
	}
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

// connOf makes a connection of a descriptor, which belongs to the connection afterwards. On
// an error it is closed.
func connOf(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "control")
	defer f.Close() // FileConn makes a copy
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
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
