package bench

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// BenchmarkFootprint measures the resources of a daemon that has carried a stream and is
// idle now.
func BenchmarkFootprint(b *testing.B) {
	for _, path := range []string{api.PathRelay, api.PathKernel} {
		b.Run("path="+path, func(b *testing.B) { benchFootprint(b, newDeviceWay(b, path, path, api.ReceiveAuto)) })
	}
}

func benchFootprint(b *testing.B, w *benchWay) {
	near, far := w.ends()
	l := far.listenTCP(b)
	go func() {
		if c, err := l.Accept(); err == nil {
			io.Copy(io.Discard, onlyReader{c})
		}
	}()
	c := near.dial(b, l.Addr())
	for range 512 {
		if _, err := c.Write(make([]byte, 1<<20)); err != nil {
			b.Fatal(err)
		}
	}
	const idle = 5 * time.Second
	for b.Loop() {
		time.Sleep(time.Second) // for the last acknowledgements
		before := cpuTime(b, w.daemon.PID())
		time.Sleep(idle)
		used := cpuTime(b, w.daemon.PID()) - before
		b.ReportMetric(100*used.Seconds()/idle.Seconds(), "idle-CPU-%")
		b.ReportMetric(peakMemory(b, w.daemon.PID()), "peak-MiB")
	}
	b.ReportMetric(0, "ns/op")
}

// cpuTime returns the CPU time that the threads of a process have used in user and kernel
// mode, in nanoseconds (Documentation/scheduler/sched-stats.rst).
func cpuTime(b *testing.B, pid int) (sum time.Duration) {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		b.Fatalf("find the threads of %d: %d, %v", pid, len(threads), err)
	}
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		used, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(used)
	}
	return sum
}

// peakMemory returns the largest resident set of a process so far.
func peakMemory(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, ok := strings.Cut(string(status), "VmHWM:")
	if !ok {
		b.Fatal("no VmHWM in /proc/PID/status")
	}
	kib, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}
