package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// netnsDir is where ip-netns(8) and container runtimes bind network namespaces to names.
const netnsDir = "/run/netns"

// netnsInterval is how often Watch looks whether a namespace is still there.
const netnsInterval = 250 * time.Millisecond

// Netns is the way to a network namespace: a name of ip-netns(8), the path of a file, or the
// number of a process in it. A process is held by a descriptor, so that its number cannot come
// to stand for another one.
type Netns struct {
	text string // as the user has given it
	path string // of the file of the namespace
	pid  int    // of the process; 0: a file
	fd   int    // of the process (pidfd_open(2))
}

var processPath = regexp.MustCompile(`^/proc/([0-9]+)/ns/net$`)

// FindNetns finds the network namespace that a text names. A number is that of a process. The
// caller may go on in a program that it executes: Descriptor and TakeNetns hand the process over.
func FindNetns(text string) (*Netns, error) {
	n := &Netns{text: text, path: text, fd: -1}
	switch found := processPath.FindStringSubmatch(text); {
	case text == "":
		return nil, errors.New("want a name, a path or the number of a process")
	case found != nil:
		text = found[1]
	case filepath.Base(text) == text:
		n.path = filepath.Join(netnsDir, text)
	}
	if pid, err := strconv.Atoi(text); err == nil {
		if n.pid, n.path = pid, fmt.Sprintf("/proc/%d/ns/net", pid); pid <= 0 {
			return nil, errors.New("no such process")
		}
		if n.fd, err = unix.PidfdOpen(pid, 0); err != nil {
			if err == unix.ESRCH || err == unix.EINVAL {
				return nil, errors.New("no such process")
			}
			return nil, os.NewSyscallError("pidfd_open", err)
		}
		return n, nil
	}
	var stat unix.Statfs_t
	switch err := unix.Statfs(n.path, &stat); {
	case err == unix.ENOENT:
		return nil, fmt.Errorf("no such network namespace: %s does not exist", n.path)
	case err != nil:
		return nil, &os.PathError{Op: "stat", Path: n.path, Err: err}
	case stat.Type != unix.NSFS_MAGIC:
		return nil, fmt.Errorf("no network namespace: %s is another kind of file", n.path)
	}
	return n, nil
}

// TakeNetns returns the namespace that FindNetns has found in the program before, with the
// descriptor of its process; -1: there is none.
func TakeNetns(text string, fd int) (*Netns, error) {
	if fd < 0 {
		return FindNetns(text)
	}
	n := &Netns{text: text, fd: fd}
	unix.CloseOnExec(fd)
	return n, nil
}

// Descriptor returns the descriptor of the process of the namespace, which stays open in a
// program that this one executes; -1: the namespace was not found by a process.
func (n *Netns) Descriptor() (int, error) {
	if n.fd < 0 {
		return -1, nil
	}
	_, err := unix.FcntlInt(uintptr(n.fd), unix.F_SETFD, 0)
	return n.fd, os.NewSyscallError("fcntl", err)
}

// Enter puts the calling thread into the namespace. That wants CAP_SYS_ADMIN. The goroutine
// must be locked to its thread, and stay so unless it executes another program.
func (n *Netns) Enter() error {
	file, err := os.Open(n.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return os.NewSyscallError("setns", err)
	}
	if n.gone() {
		return errors.New("it is gone")
	}
	return nil
}

// Watch returns when the namespace is no longer there by the way in which it was found: its
// name or file is gone or another one, or the process has ended. The process of the caller
// must be in the namespace. It returns false if ctx has ended before.
func (n *Netns) Watch(ctx context.Context) (gone bool) {
	ticker := time.NewTicker(netnsInterval)
	defer ticker.Stop()
	for !n.gone() {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
	return true
}

// gone reports whether the process has ended, or the file is not that of the namespace of the
// calling thread. The namespace cannot end while a thread is in it, so another one cannot have
// its number.
func (n *Netns) gone() bool {
	if n.fd >= 0 {
		polls := []unix.PollFd{{Fd: int32(n.fd), Events: unix.POLLIN}}
		ready, err := unix.Poll(polls, 0)
		return err == nil && ready > 0
	}
	var own, file unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &own); err != nil {
		return false
	}
	err := unix.Stat(n.path, &file)
	return err == unix.ENOENT || err == nil && (file.Ino != own.Ino || file.Dev != own.Dev)
}

// String returns the namespace as the user has given it.
func (n *Netns) String() string { return n.text }
