package host

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInUse is the error of ListenControl if another daemon answers on the path.
var ErrInUse = errors.New("another daemon serves it")

const (
	// controlMode lets every user connect, because reading is free. The credentials of the
	// peer decide who may change something.
	controlMode    = 0o666
	controlDirMode = 0o755

	lockPatience = 5 * time.Second       // longest wait for another daemon that starts or stops
	lockPoll     = 10 * time.Millisecond // between two attempts to get the lock
)

// ControlListener is a listening Unix socket. Close removes its file. Accept may be called
// from any goroutine, and Close wakes it. Close may be called again.
type ControlListener struct {
	*net.UnixListener
	path string
	file fs.FileInfo // the socket file; nil if the address is abstract or the file is removed
}

// ListenControl listens on a path, or on an abstract address if path begins with @. It
// creates the directory if that is missing. It replaces a socket file that no process
// serves. If a process serves it, the file stays and the error is ErrInUse.
//
// If several daemons start at the same time on one path, exactly one of them gets it: the
// check and the bind happen under a lock on the directory. The lock belongs to a file
// descriptor, so the kernel releases it when the process ends. ListenControl waits for the
// lock for at most lockPatience.
func ListenControl(path string) (*ControlListener, error) {
	if strings.HasPrefix(path, "@") {
		return bindControl(path)
	}
	dir := filepath.Dir(path)
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("create directory of control socket: %w", err)
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	defer unlock()
	if err := removeDead(path); err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	l, err := bindControl(path)
	if err != nil {
		return nil, err
	}
	if err := l.publish(); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return l, nil
}

// makeDir makes a directory that every user can look into, whatever the umask is. It does
// not change a directory that exists.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, controlDirMode); err != nil {
		return err
	}
	return os.Chmod(dir, controlDirMode)
}

// bindControl binds and listens. It does not touch the mode of the file.
func bindControl(path string) (*ControlListener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("control socket %s: %w", path, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l.SetUnlinkOnClose(false)
	return &ControlListener{UnixListener: l, path: path}, nil
}

// publish sets the mode of the socket file and remembers which file it is.
func (l *ControlListener) publish() (err error) {
	if err := os.Chmod(l.path, controlMode); err != nil {
		return err
	}
	l.file, err = os.Lstat(l.path)
	return err
}

// Close removes the socket file and stops listening. It leaves the file if the path now
// leads to another file. The order matters: while the socket is open, the kernel cannot
// give its inode number to another file, so the comparison is safe. Close holds the lock
// on the directory meanwhile.
func (l *ControlListener) Close() error {
	if l.file == nil {
		return l.UnixListener.Close()
	}
	unlock, err := lockDir(filepath.Dir(l.path))
	if err != nil {
		return errors.Join(l.UnixListener.Close(), fmt.Errorf("remove control socket: %w", err))
	}
	defer unlock()
	if now, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(now, l.file) {
		err = os.Remove(l.path)
	}
	l.file = nil
	return errors.Join(err, l.UnixListener.Close())
}

// removeDead removes a socket file that no process serves; otherwise it returns ErrInUse.
// A daemon that hangs counts as serving, because the kernel still accepts connections for
// it. A file that is no socket is an error and stays.
func removeDead(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file of that name that is no socket")
	}
	conn, err := net.DialTimeout("unix", path, lockPatience)
	if err == nil {
		conn.Close()
		return ErrInUse
	}
	if errors.Is(err, unix.EAGAIN) { // its backlog is full
		return ErrInUse
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// lockDir takes the advisory lock of a directory (flock(2)). It waits for at most
// lockPatience.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(lockPoll) {
		err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { d.Close() }, nil
		}
		if err != unix.EWOULDBLOCK || time.Now().After(end) {
			d.Close()
			return nil, err
		}
	}
}
