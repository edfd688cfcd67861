package bench

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// These benchmarks compare the device with tc netem on the cable, if the kernel has netem.
// `make bench-netem` runs them in a kernel that has it.

// same is a fault in the words of netem and in those of the device, which has it on a path.
type same struct{ name, netem, policy, path string }

func loses(percent int) same {
	return same{
		fmt.Sprintf("loss=%d%%", percent), fmt.Sprintf("loss %d%%", percent),
		fmt.Sprintf("percent %d", 100-percent), api.PathKernel,
	}
}

// delays is a delay of 20 ms. Netem counts what it holds in buffers, and drops what exceeds
// its limit, which is to be no part of this.
var delays = same{"delay=20ms", "delay 20ms limit 100000", "delay 20ms", api.PathRelay}

// BenchmarkNetemPackets sends as many 64-byte packets as one sender can.
func BenchmarkNetemPackets(b *testing.B) {
	for _, f := range []same{loses(0), loses(20), delays} {
		eachFault(b, f, func(b *testing.B, near, far benchEnd) { benchPackets(b, near, far) })
	}
}

// BenchmarkNetemTCP measures one TCP stream. With losses it would measure timeouts.
func BenchmarkNetemTCP(b *testing.B) {
	for _, f := range []same{loses(0), delays} {
		eachFault(b, f, benchTCP)
	}
}

// BenchmarkNetemRuns measures how many packets are lost in a row, of the same super-frames
// at the same loss. Packets that are lost independently give 1 / (1 - loss).
func BenchmarkNetemRuns(b *testing.B) {
	for _, percent := range []int{1, 10} {
		eachFault(b, loses(percent), benchRuns)
	}
}

// BenchmarkNetemLate measures how much later than the delay packets arrive.
func BenchmarkNetemLate(b *testing.B) {
	eachFault(b, delays, func(b *testing.B, near, far benchEnd) { benchLate(b, near, far, 20*time.Millisecond) })
}

// BenchmarkNetemSpacing measures the distances of the packets of one super-frame behind a link of
// 10 Mbit/s, on which each of them takes 994 microseconds.
func BenchmarkNetemSpacing(b *testing.B) {
	eachFault(b, same{"rate=10mbit", "rate 10mbit limit 100000", "rate 10mbit queue 1h", api.PathRelay}, benchSpacing)
}

// eachFault runs a benchmark through a fault, by netem and by the device.
func eachFault(b *testing.B, f same, run func(b *testing.B, near, far benchEnd)) {
	ways := inTurn([]*benchWay{{Lab: labtest.New(b), name: "netem"}, newDeviceWay(b, "insane", f.path, api.ReceiveNone)})
	for _, w := range ways {
		w.widen(b)
		w.meet(b)
		if w.daemon == nil {
			tc(b, w.Borea, f.netem)
		}
		w.fault(b, w.Borea, f.policy)
		near, far := w.ends()
		b.Run(f.name+"/by="+w.name, func(b *testing.B) { run(b, near, far) })
		w.fault(b, w.Borea, "pass")
	}
	checkWays(b, ways)
}

// tc puts netem in front of the cable.
func tc(b *testing.B, h *lab.Host, fault string) {
	b.Helper()
	args := append([]string{"qdisc", "add", "dev", lab.Link, "root", "netem"}, strings.Fields(fault)...)
	if out, err := h.Command(context.Background(), "tc", args...).CombinedOutput(); err != nil {
		b.Fatalf("netem %s: %v: %s", fault, err, out)
	}
}

// benchSpacing sends super-frames and measures the distances at which their packets arrive.
func benchSpacing(b *testing.B, near, far benchEnd) {
	const packets, size = 20, 1200
	in := testbed.StampArrivals(b, testbed.ListenUDP(b, far.host, far.addr))
	out := near.dial(b, in.LocalAddr()).(*net.UDPConn)
	testbed.SetOption(b, out, unix.SOL_UDP, unix.UDP_SEGMENT, size)
	var apart []time.Duration
	for buffer := make([]byte, packets*size); b.Loop(); {
		if _, err := out.Write(buffer); err != nil {
			b.Fatal(err)
		}
		var before time.Time
		for i := range packets {
			_, stamp, err := in.Next(testbed.Longest)
			if err != nil {
				b.Fatalf("packet %d: %v", i, err)
			}
			if i > 0 {
				apart = append(apart, stamp.At.Sub(before))
			}
			before = stamp.At
		}
	}
	slices.Sort(apart)
	b.ReportMetric(0, "ns/op") // that is what the link takes
	for _, percent := range []int{10, 50, 90} {
		b.ReportMetric(float64(testbed.Quantile(apart, float64(percent)/100))/1000, fmt.Sprintf("spacing-p%d-us", percent))
	}
}

// benchRuns sends super-frames of full packets and counts which packets are lost. It waits
// for each super-frame to arrive, so that no queue overruns.
func benchRuns(b *testing.B, near, far benchEnd) {
	in := testbed.ListenUDP(b, far.host, far.addr)
	out := near.dial(b, in.LocalAddr()).(*net.UDPConn)
	testbed.SetOption(b, out, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.MaxUDP)
	arrived := make(map[int]bool)
	buffer := make([]byte, packetsOfRun*testbed.MaxUDP)
	sent := 0
	for b.Loop() {
		for i := range packetsOfRun {
			testbed.Fill(buffer[i*testbed.MaxUDP:][:testbed.MaxUDP], sent)
			sent++
		}
		if _, err := out.Write(buffer); err != nil {
			b.Fatal(err)
		}
		receiveUpTo(b, in, arrived, sent-1, 20*time.Millisecond)
	}
	b.ReportMetric(0, "ns/op")                     // part of that time is waiting
	receiveUpTo(b, in, arrived, sent, time.Second) // late packets; that number never comes
	lost, runs := lostIn(arrived, sent)
	b.ReportMetric(1000*float64(lost)/float64(sent), "lost/1000")
	if runs > 0 {
		b.ReportMetric(float64(lost)/float64(runs), "lost-in-a-row")
	}
}

// packetsOfRun is how many packets of testbed.MaxUDP a super-frame of 64 KiB has.
const packetsOfRun = 44

// receiveUpTo records the numbers of packets until this number has come, or none for a
// while.
func receiveUpTo(b *testing.B, in *net.UDPConn, arrived map[int]bool, number int, patience time.Duration) {
	b.Helper()
	for buffer := make([]byte, testbed.MaxUDP); !arrived[number]; {
		in.SetReadDeadline(time.Now().Add(patience))
		if _, err := in.Read(buffer); err != nil {
			return
		}
		arrived[testbed.NumberOf(buffer)] = true
	}
}

// lostIn counts the packets that have not arrived, and how many runs they make.
func lostIn(arrived map[int]bool, sent int) (lost, runs int) {
	for i := range sent {
		if arrived[i] {
			continue
		}
		lost++
		if i == 0 || arrived[i-1] {
			runs++
		}
	}
	return lost, runs
}
