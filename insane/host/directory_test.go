package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A directory in which another user could replace the socket is refused, wherever it is on
// the path, and the error names it. Nothing is made.
func TestControlRefusesDirectories(t *testing.T) {
	needRoot(t)
	const other = 4711
	for name, spoil := range map[string]func(dir string) error{
		"of another user":            func(dir string) error { return os.Chown(dir, other, 0) },
		"that all may write":         func(dir string) error { return os.Chmod(dir, 0o777) },
		"that a group may write":     func(dir string) error { return os.Chmod(dir, 0o775) },
		"sticky and of another user": func(dir string) error { os.Chmod(dir, 0o777|os.ModeSticky); return os.Chown(dir, other, 0) },
	} {
		for _, rest := range []string{"insane.sock", "sub/insane.sock", "new/sub/insane.sock", "link/insane.sock"} {
			t.Run(name+"/"+rest, func(t *testing.T) {
				dir, elsewhere := t.TempDir(), t.TempDir()
				must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
				must(t, os.Symlink(elsewhere, filepath.Join(dir, "link")))
				must(t, spoil(dir))
				path := filepath.Join(dir, rest)
				l, err := ListenControl(path)
				if err == nil {
					l.Close()
					t.Fatal("it is served")
				}
				if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, dir+" ") || !strings.Contains(text, "--socket @NAME") {
					t.Errorf("%q, want one line that names %s", text, dir)
				}
				if _, err := os.Lstat(filepath.Join(dir, "new")); err == nil {
					t.Error("a directory was made")
				}
			})
		}
	}
}

// In a sticky directory nobody can replace what is not his: it is fine, but for a symbolic
// link of another user, who can replace that.
func TestControlStickyDirectory(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o777|os.ModeSticky))
	listen(t, filepath.Join(dir, "insane.sock"))
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(t.TempDir(), link))
	listen(t, filepath.Join(link, "insane.sock"))
	must(t, os.Lchown(link, 4711, 4711))
	if l, err := ListenControl(filepath.Join(link, "other.sock")); err == nil {
		l.Close()
		t.Error("a link of another user was followed")
	} else if !strings.Contains(err.Error(), link) {
		t.Errorf("%q does not name %s", err, link)
	}
}

// All forms of a path lead to the same file: relative ones, with "..", through links.
func TestControlPaths(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755))
	must(t, os.Symlink("a/b", filepath.Join(dir, "relative")))
	must(t, os.Symlink(filepath.Join(dir, "relative"), filepath.Join(dir, "absolute")))
	must(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	t.Chdir(dir)
	for path, file := range map[string]string{
		"x1": "x1", "./a//x2": "a/x2", "relative/x3": "a/b/x3", "absolute/../x4": "a/x4", dir + "/absolute/x5": "a/b/x5", "new/x6": "new/x6",
	} {
		listen(t, path)
		if !answers(filepath.Join(dir, file)) {
			t.Errorf("%s is not served at %s", path, file)
		}
	}
	for _, path := range []string{"loop/x", "x1/x"} {
		if l, err := ListenControl(path); err == nil {
			l.Close()
			t.Errorf("%s is served", path)
		}
	}
}

// The lock is on a file that no other user can open, which is gone afterwards. A file of
// that name that others may open, or that is no file, is refused and not waited for.
func TestLockIn(t *testing.T) {
	needRoot(t)
	dir, err := os.Open(t.TempDir())
	must(t, err)
	defer dir.Close()
	path := filepath.Join(dir.Name(), "lock")
	unlock, err := lockIn(dir, "lock")
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the lock has mode %v", info.Mode())
	}
	if _, err := tryLock(int(dir.Fd()), "lock"); err != unix.EWOULDBLOCK {
		t.Errorf("locked twice: %v", err)
	}
	unlock()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file of the lock is still there: %v", err)
	}
	must(t, os.WriteFile(path, nil, 0o600)) // as a process leaves it that is killed
	unlock, err = lockIn(dir, "lock")
	must(t, err)
	unlock()
	for name, spoil := range map[string]func() error{
		"readable":       func() error { must(t, os.WriteFile(path, nil, 0o600)); return os.Chmod(path, 0o644) },
		"another user's": func() error { must(t, os.WriteFile(path, nil, 0o600)); return os.Chown(path, 4711, 4711) },
		"a pipe":         func() error { return unix.Mkfifo(path, 0o600) },
		"a link":         func() error { return os.Symlink("/etc/passwd", path) },
	} {
		must(t, spoil())
		if unlock, err := lockIn(dir, "lock"); err == nil {
			unlock()
			t.Errorf("%s: locked", name)
		} else if !strings.Contains(err.Error(), "lock in "+dir.Name()) {
			t.Errorf("%s: %q", name, err)
		}
		must(t, os.Remove(path))
	}
}

// A file that is put in the place of the socket keeps its mode.
func TestPublishRefusesOthers(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	must(t, err)
	defer dir.Close()
	target := filepath.Join(dir.Name(), "secret")
	must(t, os.WriteFile(target, nil, 0o600))
	must(t, os.Symlink(target, filepath.Join(dir.Name(), "link")))
	for _, name := range []string{"link", "secret"} {
		if _, err := publish(dir, name); err == nil {
			t.Errorf("%s was published", name)
		}
	}
	info, err := os.Stat(target)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("another file became %v", info.Mode())
	}
}
