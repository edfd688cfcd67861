package host

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockPatience = 5 * time.Second       // longest wait for another daemon that starts
	lockPoll     = 10 * time.Millisecond // between two attempts to get the lock
)

// lockIn takes a lock that belongs to a name in a directory: a lock (flock(2)) on a file of
// that name, which only the user of this process can open. The kernel releases the lock when
// the process ends. The file is there only as long as somebody has the lock, unless the
// process is killed meanwhile; the next one uses the file then. lockIn waits for at most
// lockPatience, and only for other processes of the same user.
func lockIn(dir *os.File, name string) (unlock func(), err error) {
	for end := time.Now().Add(lockPatience); ; time.Sleep(lockPoll) {
		unlock, err = tryLock(int(dir.Fd()), name)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s in %s: %w", name, dir.Name(), err)
	}
	return unlock, nil
}

// tryLock is one attempt of lockIn. It does not wait. The error is EWOULDBLOCK if somebody
// has the lock.
func tryLock(dir int, name string) (unlock func(), err error) {
	// O_NONBLOCK: another user may have made a pipe of that name in a directory such as /tmp.
	fd, err := unix.Openat(dir, name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(fd, dir, name); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return func() {
		_ = unix.Unlinkat(dir, name, 0) // a file that stays does no harm
		unix.Close(fd)
	}, nil
}

// lockFile locks an open file. The lock counts only if the file still has its name: the last
// one who had the lock may have removed the file after it was opened here.
func lockFile(fd, dir int, name string) error {
	var mine, there unix.Stat_t
	if err := unix.Fstat(fd, &mine); err != nil {
		return err
	}
	if mine.Mode&(unix.S_IFMT|0o077) != unix.S_IFREG || mine.Uid != uint32(unix.Geteuid()) {
		return fmt.Errorf("it is uid %d's, with mode %o: remove it", mine.Uid, mine.Mode)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	err := unix.Fstatat(dir, name, &there, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) || err == nil && idOf(&there) != idOf(&mine) {
		return unix.EWOULDBLOCK
	}
	return err
}
