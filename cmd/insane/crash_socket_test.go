package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestDeadSocketFile: a daemon that was killed leaves the file of its socket.
// It is seen to be dead and is in nobody's way.
func TestDeadSocketFile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	socket := socketPath(t, "insane")
	start(t, l, socket).ready(t).kill()

	list := run(t, l.Borea, "insanely", "--socket", socket, "list")
	if !strings.Contains(list, "daemon gone") {
		t.Errorf("list of a dead daemon:\n%s", list)
	}
	if code, out := fails(t, l.Borea, "insanely", "--socket", socket); code != 3 || strings.Count(out, "\n") != 1 {
		t.Errorf("ask a dead daemon: exit code %d, %q", code, out)
	}
	i := start(t, l, socket).ready(t)
	if list := run(t, l.Borea, "insanely", "--socket", socket, "list"); strings.Contains(list, "gone") {
		t.Errorf("list of a new daemon:\n%s", list)
	}
	i.signal(syscall.SIGTERM)
	if code := i.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the file of the socket is still there: %v", err)
	}
}
