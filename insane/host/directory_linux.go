package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links a path may have; the kernel's limit is the same
// (path_resolution(7)).
const maxLinks = 40

// openTrusted opens a directory, and makes it, and those above it, if they are missing. A
// directory that it makes can be looked into by every user, whatever the umask is; one that
// exists keeps its mode. "" is the working directory.
//
// It refuses every path on which another user could put something else in the place of a
// file: each directory on the way, and each that a symbolic link on it leads through, must
// belong to root or to the user of this process, and nobody else may write to it. A sticky
// directory such as /tmp may be writable, because others cannot rename there what is not
// theirs; a symbolic link in it must be root's or this user's as well.
func openTrusted(dir string) (*os.File, error) {
	if !strings.HasPrefix(dir, "/") {
		working, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		dir = working + "/" + dir
	}
	w := walk{rest: strings.Split(dir, "/")}
	err := w.toRoot()
	for err == nil && len(w.rest) > 0 {
		err = w.step()
	}
	if err != nil && w.at != nil {
		w.at.Close()
		return nil, err
	}
	return w.at, err
}

// walk is the resolution of a path, one name after the other.
type walk struct {
	at    *os.File // the directory that is reached; its name is its path
	open  bool     // whether other users may make files in it
	rest  []string // names that are still to be followed
	links int      // symbolic links followed so far
}

func (w *walk) toRoot() error { return w.enter(unix.AT_FDCWD, "/", "/") }

// step follows the next name.
func (w *walk) step() error {
	name := w.rest[0]
	w.rest = w.rest[1:]
	if name == "" || name == "." {
		return nil
	}
	path := strings.TrimSuffix(w.at.Name(), "/") + "/" + name
	stat, err := statIn(w.at, name)
	if errors.Is(err, unix.ENOENT) {
		return w.make(name, path)
	}
	switch {
	case err != nil:
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	case stat.Mode&unix.S_IFMT != unix.S_IFLNK:
		return w.enter(int(w.at.Fd()), name, path)
	case w.open && !trustedUser(stat.Uid):
		return fmt.Errorf("the symbolic link %s belongs to uid %d: give a path without it", path, stat.Uid)
	}
	return w.follow(name, path)
}

// follow puts the target of a symbolic link before the rest of the path.
func (w *walk) follow(name, path string) error {
	if w.links++; w.links > maxLinks {
		return &fs.PathError{Op: "follow", Path: path, Err: unix.ELOOP}
	}
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(w.at.Fd()), name, target)
	if err != nil {
		return &fs.PathError{Op: "readlink", Path: path, Err: err}
	}
	w.rest = append(strings.Split(string(target[:n]), "/"), w.rest...)
	if n > 0 && target[0] == '/' {
		return w.toRoot()
	}
	return nil
}

// make makes a directory and enters it. If another process makes it at the same moment, that
// one is entered, and keeps its mode.
func (w *walk) make(name, path string) error {
	at := int(w.at.Fd())
	errMake := unix.Mkdirat(at, name, controlDirMode)
	if errMake != nil && !errors.Is(errMake, unix.EEXIST) {
		return fmt.Errorf("%w (--socket @NAME needs no directory)", &fs.PathError{Op: "mkdir", Path: path, Err: errMake})
	}
	if err := w.enter(at, name, path); err != nil || errMake != nil {
		return err
	}
	if err := unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", w.at.Fd()), controlDirMode); err != nil {
		return &fs.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}

// enter opens a directory that is no symbolic link and goes on from there, if no other user
// can put something else in the place of its files.
func (w *walk) enter(at int, name, path string) error {
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if w.at != nil {
		w.at.Close()
	}
	w.at = os.NewFile(uintptr(fd), path)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	w.open = stat.Mode&0o022 != 0
	switch {
	case !trustedUser(stat.Uid):
		return fmt.Errorf("%s belongs to uid %d, who could replace the socket: give another directory, or --socket @NAME", path, stat.Uid)
	case w.open && stat.Mode&unix.S_ISVTX == 0:
		return fmt.Errorf("%s has mode %04o, so others could replace the socket: chmod go-w, or give another directory, or --socket @NAME",
			path, stat.Mode&0o7777)
	}
	return nil
}

// trustedUser reports whether a user may replace the files of this process: root, and the
// user of the process. In a user namespace, files of users that it does not have seem to
// belong to the overflow user (user_namespaces(7)); they are files of the host, which may
// do what it likes.
func trustedUser(uid uint32) bool {
	return uid == 0 || uid == uint32(unix.Geteuid()) || uid == overflowUser && !mapped(uid)
}

// overflowUser is the usual value of kernel.overflowuid.
const overflowUser = 65534

// mapped reports whether the user namespace of this process has a user. It returns true if
// it cannot find out.
func mapped(uid uint32) bool {
	table, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(table)) {
		var inside, outside, count uint64
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err != nil || uint64(uid)-inside < count {
			return true
		}
	}
	return false
}

// fileID tells files apart as long as they are open, or have a name.
type fileID struct{ device, inode uint64 }

func idOf(stat *unix.Stat_t) fileID { return fileID{uint64(stat.Dev), stat.Ino} }

// statIn looks at a file of a directory; of a symbolic link it looks at the link.
func statIn(dir *os.File, name string) (stat unix.Stat_t, err error) {
	err = unix.Fstatat(int(dir.Fd()), name, &stat, unix.AT_SYMLINK_NOFOLLOW)
	return stat, err
}
