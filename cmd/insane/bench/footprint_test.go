package bench

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// BenchmarkFootprint measures the resources of a daemon that has carried a stream and is
// idle now.
func BenchmarkFootprint(b *testing.B) {
	for _, c := range []struct{ path, policy string }{
		{api.PathRelay, "pass"}, {api.PathKernel, "pass"}, {api.PathRelay, "delay 20ms"}, {api.PathRelay, "rate 1gbit delay 20ms jitter 5ms"},
	} {
		b.Run("path="+c.path+"/policy="+c.policy, func(b *testing.B) {
			w := newDeviceWay(b, c.path, c.path, api.ReceiveAuto)
			w.widen(b)
			w.fault(b, w.Borea, c.policy)
			benchFootprint(b, w)
		})
	}
}

// BenchmarkHeldMemory measures what a daemon needs beside the bytes that it holds, and what it
// needs after they have left.
func BenchmarkHeldMemory(b *testing.B) {
	w := newDeviceWay(b, "relay", api.PathRelay, api.ReceiveAuto)
	near, far := w.ends()
	in := testbed.ListenUDP(b, far.host, far.addr)
	out := near.dial(b, in.LocalAddr()).(*net.UDPConn)
	testbed.SetOption(b, out, unix.SOL_UDP, unix.UDP_SEGMENT, 1400)
	const mib, held, packets = 1 << 20, 400 << 20, 40
	idle := testbed.ResidentKiB(b, w.daemon.PID())
	for b.Loop() {
		w.fault(b, w.Borea, "delay 1h")
		for w.stats(b, near.host).Held.Bytes < held {
			for range 50 {
				if _, err := out.Write(make([]byte, packets*1400)); err != nil {
					b.Fatal(err)
				}
			}
		}
		bytes := w.stats(b, near.host).Held.Bytes
		beyond := testbed.ResidentKiB(b, w.daemon.PID()) - int(bytes/1024)
		w.fault(b, w.Borea, "pass")
		time.Sleep(10 * time.Second) // memory goes back bit by bit
		after := testbed.ResidentKiB(b, w.daemon.PID())
		b.ReportMetric(float64(bytes)/mib, "held-MiB")
		b.ReportMetric(float64(beyond)/1024, "beyond-MiB")
		b.ReportMetric(float64(after-idle)/1024, "kept-MiB")
	}
	b.ReportMetric(0, "ns/op")
	w.check(b)
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
	const idle = 10 * time.Second
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
	for _, thread := range testbed.Threads(b, pid) {
		text, err := os.ReadFile(thread + "/schedstat")
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
