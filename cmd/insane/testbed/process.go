package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// OpenDescriptors counts the descriptors of a process at rest. It takes the smallest of
// several counts, because a control connection takes a moment to close.
func OpenDescriptors(t testing.TB, pid int) int {
	t.Helper()
	least := CountDescriptors(t, pid)
	for range 10 {
		time.Sleep(5 * time.Millisecond)
		least = min(least, CountDescriptors(t, pid))
	}
	return least
}

// SameDescriptors fails unless the process returns to this number of descriptors.
func SameDescriptors(t testing.TB, pid, want int) {
	t.Helper()
	var have []string
	defer func() {
		if len(have) != want {
			t.Logf("open are %q", have)
		}
	}()
	labtest.Await(t, fmt.Sprintf("%d open descriptors", want), func() bool {
		have = descriptorsOf(t, pid)
		return len(have) == want
	})
}

// CountDescriptors returns how many file descriptors a process has open.
func CountDescriptors(t testing.TB, pid int) int { return len(descriptorsOf(t, pid)) }

// descriptorsOf returns what the descriptors of a process refer to (proc(5)).
func descriptorsOf(t testing.TB, pid int) (list []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, err := os.Readlink(dir + e.Name())
		if err != nil {
			continue // closed meanwhile
		}
		list = append(list, e.Name()+" "+target)
	}
	return list
}

// ResidentKiB returns the memory of a process without files (proc(5), RssAnon), in KiB.
func ResidentKiB(t testing.TB, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no RssAnon in\n%s", text)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Threads returns the directory in /proc of each thread of a process.
func Threads(t testing.TB, pid int) []string {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no threads of process %d: %v", pid, err)
	}
	return paths
}
