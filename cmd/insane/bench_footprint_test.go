package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkFootprint is what a daemon costs that has relayed a stream and then
// has nothing to do.
func BenchmarkFootprint(b *testing.B) {
	n := newDeviceNet(b)
	near, far := benchEnd{n.Borea, n.Borea.IPv4}, benchEnd{n.Morgana, n.Morgana.IPv4}
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
		before := cpuTime(b, n.daemon.PID())
		time.Sleep(idle)
		used := cpuTime(b, n.daemon.PID()) - before
		b.ReportMetric(100*used.Seconds()/idle.Seconds(), "idle-CPU-%")
		b.ReportMetric(peakMemory(b, n.daemon.PID()), "peak-MiB")
	}
}

// cpuTime is what a process has used, in user and kernel mode: proc(5), stat,
// fields 14 and 15, in ticks of 10 ms.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// peakMemory is the largest resident set a process has had.
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
