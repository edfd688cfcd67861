package slave

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

// idle fails if a daemon without work uses more than a twentieth of a CPU.
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

// ticks returns the CPU time of a process, user and system, in 1/100 s: fields 14 and 15 of
// /proc/PID/stat (proc(5)).
func ticks(t testing.TB, pid int) (sum int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // after pid and name
	for _, field := range strings.Fields(rest)[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
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
