package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrInUse is the error of ListenControl if another daemon answers on the path.
var ErrInUse = errors.New("another daemon serves it")

const (
	// controlMode lets every user connect, because reading is free. The credentials of the
	// peer decide who may change something.
	controlMode    = 0o666
	controlDirMode = 0o755

	// controlBacklog is how many connections may wait to be accepted; if there are more, a
	// client tries again. It is short because all users share it: what waits in front of a
	// client when others connect all the time takes some 10 ms.
	controlBacklog = 256
)

// ControlListener is a listening Unix socket. Accept may be called from one goroutine at a
// time; Close may be called from any, wakes it, and removes the file of the socket. Close
// may be called again.
type ControlListener struct {
	name   string
	socket *os.File
	raw    syscall.RawConn // of socket

	file fileID // the socket file

	waiting *accepted // for Accept to go on with; nil: none

	mu  sync.Mutex
	dir *os.File // of the socket file; nil if the address is abstract or the file is removed
}

// ListenControl listens on a path, or on an abstract address if path begins with @. It
// creates the directory if that is missing, and refuses a directory in which another user
// could replace the file (openTrusted). It replaces a socket file that no process serves. If
// a process serves it, the file stays and the error is ErrInUse.
//
// If several daemons start at the same time on one path, exactly one of them gets it: the
// check and the bind happen under a lock (lockIn), for which ListenControl waits for at most
// lockPatience. Another user can neither hold this lock nor wait for it.
func ListenControl(path string) (*ControlListener, error) {
	if strings.HasPrefix(path, "@") {
		return bindControl(path)
	}
	dir, base := filepath.Split(path)
	in, err := openTrusted(dir)
	if err != nil {
		return nil, fmt.Errorf("directory of control socket %s: %w", path, err)
	}
	l, err := listenIn(in, base, path)
	if err != nil {
		in.Close()
		return nil, err
	}
	return l, nil
}

// listenIn listens on path, whose directory is in and whose last part is base. The listener
// keeps in open.
func listenIn(in *os.File, base, path string) (*ControlListener, error) {
	unlock, err := lockIn(in, "."+base+".lock")
	if errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) {
		err = fmt.Errorf("%w (--socket @NAME needs no directory)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	defer unlock()
	if err := removeDead(in, base, path); err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	l, err := bindControl(path)
	if err != nil {
		return nil, err
	}
	if l.file, err = publish(in, base); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	l.dir = in
	return l, nil
}

// bindControl binds and listens. It does not touch the mode of the file.
func bindControl(path string) (*ControlListener, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	refuseDescriptors(fd)
	socket := os.NewFile(uintptr(fd), path)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	if err == nil {
		err = unix.Listen(fd, controlBacklog)
	}
	var raw syscall.RawConn
	if err == nil {
		raw, err = socket.SyscallConn()
	}
	switch {
	case err == nil:
		return &ControlListener{name: path, socket: socket, raw: raw}, nil
	case errors.Is(err, unix.EADDRINUSE):
		err = ErrInUse
	case errors.Is(err, unix.EINVAL):
		err = fmt.Errorf("%w (longer than 107 bytes?)", err)
	}
	socket.Close()
	return nil, fmt.Errorf("control socket %s: %w", path, err)
}

// refuseDescriptors makes the kernel refuse descriptors that peers pass over the connections
// of a socket (SCM_RIGHTS of unix(7)). This process would close them, and to close a socket of
// TCP may take as long as the peer wants (SO_LINGER). Before Linux 6.16 there is no such option.
func refuseDescriptors(fd int) { _ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 0) }

// publish sets the mode of the socket file and returns which file it is. It never changes
// another file: it opens the file without following a link, and changes what it has opened.
func publish(in *os.File, base string) (fileID, error) {
	fd, err := unix.Openat(int(in.Fd()), base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fileID{}, err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fileID{}, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFSOCK || stat.Uid != uint32(unix.Geteuid()) {
		return fileID{}, errors.New("somebody has replaced it")
	}
	return idOf(&stat), unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), controlMode)
}

// Name returns the path or the abstract address that ListenControl was given.
func (l *ControlListener) Name() string { return l.name }

// Close removes the socket file and stops listening. It waits for nothing. It leaves the
// file if the path now leads to another file. The order matters: while the socket is open,
// the kernel cannot give its inode number to another file, and no other daemon takes the
// file for one that no process serves.
func (l *ControlListener) Close() error {
	return errors.Join(l.unlink(), l.socket.Close())
}

// unlink removes the socket file, the first time that it is called.
func (l *ControlListener) unlink() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dir == nil {
		return nil
	}
	defer func() { l.dir.Close(); l.dir = nil }()
	_, base := filepath.Split(l.name)
	if now, err := statIn(l.dir, base); err != nil || idOf(&now) != l.file {
		return nil
	}
	return os.NewSyscallError("remove "+l.name, unix.Unlinkat(int(l.dir.Fd()), base, 0))
}

// removeDead removes a socket file that no process serves; otherwise it returns ErrInUse.
// A daemon that hangs counts as serving, because the kernel still accepts connections for
// it. A file that is no socket is an error and stays. The caller holds the lock.
func removeDead(in *os.File, base, path string) error {
	stat, err := statIn(in, base)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return errors.New("there is a file of that name that is no socket")
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	switch {
	case err == nil, errors.Is(err, unix.EAGAIN): // EAGAIN: its backlog is full
		return ErrInUse
	case !errors.Is(err, unix.ECONNREFUSED):
		return err
	}
	return unix.Unlinkat(int(in.Fd()), base, 0)
}
