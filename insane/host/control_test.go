package host

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// listen listens on a path until the test ends.
func listen(t testing.TB, path string) *ControlListener {
	t.Helper()
	l, err := ListenControl(path)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// dead makes a socket file that no process serves, as a killed daemon leaves it.
func dead(t testing.TB, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	l.SetUnlinkOnClose(false)
	must(t, l.Close())
}

// answers reports whether a process serves a path.
func answers(path string) bool {
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// Every user may reach the socket, whatever the umask of the daemon is.
func TestControlModes(t *testing.T) {
	runtime.LockOSThread()               // for good, since
	must(t, unix.Unshare(unix.CLONE_FS)) // this thread has an umask of its own
	unix.Umask(0o077)
	path := filepath.Join(t.TempDir(), "run", "insane", "insane.sock")
	listen(t, path)
	for name, want := range map[string]fs.FileMode{path: 0o666 | fs.ModeSocket, filepath.Dir(path): 0o755 | fs.ModeDir} {
		info, err := os.Stat(name)
		must(t, err)
		if info.Mode() != want {
			t.Errorf("%s is %s, want %s", name, info.Mode(), want)
		}
	}
}

// A directory that exists keeps its mode.
func TestControlLeavesDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	must(t, os.Mkdir(dir, 0o700))
	listen(t, filepath.Join(dir, "insane.sock"))
	info, err := os.Stat(dir)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("%s became %s", dir, info.Mode())
	}
}

// A socket file that no process serves is replaced.
func TestControlReplacesDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "insane.sock")
	dead(t, path)
	l := listen(t, path)
	if !answers(path) {
		t.Error("nobody answers")
	}
	must(t, l.Close())
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v, want no file", err)
	}
	dead(t, path)
	listen(t, path)
}

// A socket that a process serves stays, also if the process never accepts, and also if its
// backlog is full.
func TestControlInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "insane.sock")
	listen(t, path)
	hung := filepath.Join(t.TempDir(), "hung.sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: hung}))
	must(t, unix.Listen(fd, 0))
	waiting, err := net.Dial("unix", hung)
	must(t, err)
	defer waiting.Close()
	if answers(hung) {
		t.Fatal("one more may wait: this test is about the case that none may")
	}
	for _, path := range []string{path, hung} {
		before, err := os.Lstat(path)
		must(t, err)
		if l, err := ListenControl(path); !errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v, %v; want %v", path, l, err, ErrInUse)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%q does not name %s", err, path)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s was touched", path)
		}
	}
}

// A file that is no socket is never removed.
func TestControlRefusesFiles(t *testing.T) {
	dir := t.TempDir()
	file, link, sub := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "sub")
	must(t, os.WriteFile(file, []byte("data"), 0o600))
	must(t, os.Symlink(file, link))
	must(t, os.Mkdir(sub, 0o700))
	for _, path := range []string{file, link, sub, filepath.Join(file, "insane.sock"), filepath.Join(dir, strings.Repeat("x", 120))} {
		l, err := ListenControl(path)
		if err == nil {
			l.Close()
			t.Errorf("%s: it is served now", path)
		} else if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "control socket") {
			t.Errorf("%s: %q, want one line that says what failed", path, err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "data" {
		t.Errorf("file became %q (%v)", text, err)
	}
	if to, err := os.Readlink(link); err != nil || to != file {
		t.Errorf("link leads to %q (%v)", to, err)
	}
}

// If 50 listeners start at the same moment on a dead socket, exactly one succeeds, and
// connections reach that one.
func TestControlRace(t *testing.T) {
	for range 5 {
		path := filepath.Join(t.TempDir(), "run", "insane.sock")
		must(t, os.Mkdir(filepath.Dir(path), 0o755))
		dead(t, path)
		var mu sync.Mutex
		var won []*ControlListener
		var group sync.WaitGroup
		start := make(chan struct{})
		for range 50 {
			group.Go(func() {
				<-start
				l, err := ListenControl(path)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won = append(won, l)
				case !errors.Is(err, ErrInUse):
					t.Errorf("a loser heard %q, want %v", err, ErrInUse)
				}
			})
		}
		close(start)
		group.Wait()
		if len(won) != 1 {
			t.Fatalf("%d winners", len(won))
		}
		if !answers(path) {
			t.Error("the winner is not reached")
		}
		must(t, won[0].Close())
	}
}

// Close removes its own file and no other one.
func TestControlCloseLeavesOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "insane.sock")
	first := listen(t, path)
	must(t, os.Remove(path))
	listen(t, path)
	must(t, first.Close())
	if !answers(path) {
		t.Error("the first took the second's file along")
	}
	// It removes no other file when it is closed again, either.
	if err := first.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed again: %v, want %v", err, os.ErrClosed)
	}
	if !answers(path) {
		t.Error("the first took the second's file along when it was closed again")
	}
}

// Close needs no lock: it does not wait for a daemon that starts, and removes its file.
func TestControlCloseWaitsForNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "insane.sock")
	l := listen(t, path)
	dir, err := openTrusted(filepath.Dir(path))
	must(t, err)
	defer dir.Close()
	unlock, err := lockIn(dir, ".insane.sock.lock")
	must(t, err)
	defer unlock()
	must(t, l.Close())
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v, want no file", err)
	}
}

// An abstract address has no file, and is free after Close.
func TestControlAbstract(t *testing.T) {
	newNamespace(t) // an abstract address belongs to a network namespace
	l := listen(t, "@insane")
	if !answers("@insane") {
		t.Error("nobody answers")
	}
	if second, err := ListenControl("@insane"); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v, %v; want %v", second, err, ErrInUse)
	}
	if _, err := os.Lstat("@insane"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want no file", err)
	}
	must(t, l.Close())
	must(t, listen(t, "@insane").Close())
}
