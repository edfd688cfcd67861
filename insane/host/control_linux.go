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

// ErrInUse is what ListenControl returns if somebody answers on the path.
var ErrInUse = errors.New("another daemon serves it")

const (
	// controlMode lets everybody connect, since reading is free; who may
	// change is decided by the credentials of the peer.
	controlMode    = 0o666
	controlDirMode = 0o755

	lockPatience = 5 * time.Second // for another daemon that is starting in the same directory
	lockPoll     = 10 * time.Millisecond
)

// ControlListener is a listening Unix socket whose file goes when it is closed.
type ControlListener struct {
	*net.UnixListener
	path string
	file fs.FileInfo // of the socket as bound; nil if the address is abstract
}

// ListenControl listens on a path, or on an abstract address if path begins with
// @. A socket file that nobody serves any more is replaced; one that somebody
// serves is left alone and the error is ErrInUse. Of several daemons that race
// for a path one wins: the check and the bind happen under a lock on the
// directory, which its file descriptor holds and no death can leave behind.
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

// makeDir makes a directory that everybody can look into, whatever the umask is.
// One that exists is left as it is.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, controlDirMode); err != nil {
		return err
	}
	return os.Chmod(dir, controlDirMode)
}

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

// publish opens the bound socket to those it is meant for.
func (l *ControlListener) publish() (err error) {
	if err := os.Chmod(l.path, controlMode); err != nil {
		return err
	}
	l.file, err = os.Lstat(l.path)
	return err
}

// Close removes the file, unless the path is somebody else's by now, and stops
// listening. It does so in this order and under the lock: the number of a socket
// that is still open cannot be that of another's file.
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

// removeDead removes a socket that nobody serves. A daemon that hangs still
// serves: the kernel accepts connections for it.
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
	if errors.Is(err, unix.EAGAIN) { // as many wait already as it lets wait
		return ErrInUse
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// lockDir takes the advisory lock of a directory.
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
