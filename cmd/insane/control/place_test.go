package control

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestDirectoryIsLocked: everybody who may read the directory of the control socket can lock
// it, and keeps no daemon from starting and none from ending.
func TestDirectoryIsLocked(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	socket := worldPath(t)
	dir, err := os.Open(filepath.Dir(socket))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	i := testbed.Start(t, l, socket).Ready(t)
	i.Signal(syscall.SIGTERM)
	if code := i.End(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, i.Log.String())
	}
	if left, err := os.ReadDir(dir.Name()); err != nil || len(left) != 0 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
}

// TestDirectoryOfOthers: the daemon makes no socket where another user could put something
// else in its place, says so in one line, and has changed nothing.
func TestDirectoryOfOthers(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	before := testbed.StateOf(t, l.Borea)
	for name, spoil := range map[string]func(dir string) error{
		"another user's": func(dir string) error { return os.Chown(dir, nobody.uid, nobody.gid) },
		"writable":       func(dir string) error { return os.Chmod(dir, 0o777) },
		"of a group":     func(dir string) error { return os.Chmod(dir, 0o770) },
	} {
		dir := filepath.Dir(worldPath(t))
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		code, out := labtest.Fails(t, l.Borea, "insane", "--socket", filepath.Join(dir, "new", "insane.sock"))
		if code != 1 || strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "insane: ") || !strings.Contains(out, dir) {
			t.Errorf("%s: exit code %d, said:\n%s", name, code, out)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s: left in the directory: %v, %v", name, left, err)
		}
	}
	testbed.SameState(t, l.Borea, before)
}
