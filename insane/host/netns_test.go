package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A text that names no network namespace finds none, and the error says why.
func TestFindNoNetns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for text, want := range map[string]string{
		"": "want a name", "nowhere": "/run/netns/nowhere does not exist", file: "another kind of file", "0": "no such process",
		"-1": "no such process", "2147483647": "no such process", "/proc/2147483647/ns/net": "no such process",
		"99999999999999999999": "does not exist", "a/b": "a/b does not exist", "/dev/null/x": "not a directory",
	} {
		if n, err := FindNetns(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want %s", text, n, err, want)
		}
	}
}

// A namespace that is found by a process is there until the process ends, also if its number is
// given as a path, and also in the program to which its descriptor is handed.
func TestNetnsOfAProcess(t *testing.T) {
	for _, form := range []string{"%d", "/proc/%d/ns/net"} {
		c := exec.Command("sleep", "60")
		must(t, c.Start())
		t.Cleanup(func() { _ = c.Process.Kill() })
		n, err := FindNetns(fmt.Sprintf(form, c.Process.Pid))
		must(t, err)
		fd, err := n.Descriptor()
		must(t, err)
		taken, err := TakeNetns(n.String(), fd)
		must(t, err)
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("flags %#x, %v", flags, err)
		}
		if n.gone() || taken.gone() {
			t.Error("it is gone while the process runs")
		}
		must(t, c.Process.Kill())
		_ = c.Wait()
		if !taken.Watch(t.Context()) {
			t.Error("it is not gone with the process")
		}
		must(t, unix.Close(fd))
	}
}
