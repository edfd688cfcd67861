package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// idle fails if a daemon that has nothing to do takes more than a twentieth of
// a processor.
func idle(t testing.TB, d *lab.Daemon) {
	t.Helper()
	const span, most = time.Second, 5 // ticks of 10 ms
	before, logged := ticks(t, d.PID()), len(d.Logs())
	time.Sleep(span)
	if used := ticks(t, d.PID()) - before; used > most {
		t.Errorf("an idle daemon used %d ticks in %v", used, span)
	}
	if more := d.Logs()[logged:]; strings.Count(more, "\n") > 2 {
		t.Errorf("an idle daemon logged:\n%s", more)
	}
}

// ticks is the processor time of a process, user and system, in 1/100 s:
// fields 14 and 15 of /proc/PID/stat (proc(5)).
func ticks(t testing.TB, pid int) (sum int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // behind pid and name
	for _, field := range strings.Fields(rest)[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// openDescriptors counts those of a process at rest: the least of several looks,
// since a control connection takes a moment to close.
func openDescriptors(t testing.TB, pid int) int {
	t.Helper()
	least := countDescriptors(t, pid)
	for range 10 {
		time.Sleep(5 * time.Millisecond)
		least = min(least, countDescriptors(t, pid))
	}
	return least
}

// sameDescriptors fails unless the process gets back to that many.
func sameDescriptors(t testing.TB, pid, want int) {
	t.Helper()
	var have []string
	defer func() {
		if len(have) != want {
			t.Logf("open are %q", have)
		}
	}()
	eventually(t, fmt.Sprintf("%d open descriptors", want), func() bool {
		have = descriptorsOf(t, pid)
		return len(have) == want
	})
}

func countDescriptors(t testing.TB, pid int) int { return len(descriptorsOf(t, pid)) }

// descriptorsOf are what the descriptors of a process are open on (proc(5)).
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

// threadsOf counts the threads of a process (proc(5)).
func threadsOf(t testing.TB, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(regexp.MustCompile(`Threads:\s+(\d+)`).FindSubmatch(text)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// residentKiB is the memory of a process that is not in files (proc(5), RssAnon).
func residentKiB(t testing.TB, pid int) int {
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
