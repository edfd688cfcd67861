package bench

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// These benchmarks compare the kernel's path with tc netem on the cable, if the kernel has
// netem. `make bench-netem` runs them in a kernel that has it.

// BenchmarkNetemPackets sends as many 64-byte packets as one sender can.
func BenchmarkNetemPackets(b *testing.B) {
	eachLoss(b, []int{0, 20}, func(b *testing.B, near, far benchEnd) { benchPackets(b, near, far) })
}

// BenchmarkNetemTCP measures one TCP stream. With losses it would measure timeouts.
func BenchmarkNetemTCP(b *testing.B) { eachLoss(b, []int{0}, benchTCP) }

// BenchmarkNetemRuns measures how many packets are lost in a row, of the same super-frames
// at the same loss. Packets that are lost independently give 1 / (1 - loss).
func BenchmarkNetemRuns(b *testing.B) { eachLoss(b, []int{1, 10}, benchRuns) }

// eachLoss runs a benchmark with so many per cent lost, by netem and by the device.
func eachLoss(b *testing.B, losses []int, run func(b *testing.B, near, far benchEnd)) {
	ways := inTurn([]*benchWay{newNetem(b), newDeviceWay(b, "insane", api.PathKernel, api.ReceiveNone)})
	for _, w := range ways {
		w.meet(b)
	}
	for _, loss := range losses {
		for _, w := range ways {
			if w.daemon == nil {
				w.tc(b, "change", loss)
			}
			w.fault(b, w.Borea, fmt.Sprintf("percent %d", 100-loss))
			near, far := w.ends()
			b.Run(fmt.Sprintf("loss=%d%%/by=%s", loss, w.name), func(b *testing.B) { run(b, near, far) })
			w.fault(b, w.Borea, "pass")
		}
	}
	checkWays(b, ways)
}

// newNetem makes a lab in which packets from borea pass netem.
func newNetem(b *testing.B) *benchWay {
	b.Helper()
	w := &benchWay{Lab: labtest.New(b), name: "netem"}
	w.tc(b, "add", 0)
	return w
}

func (w *benchWay) tc(b *testing.B, verb string, loss int) {
	b.Helper()
	args := []string{"qdisc", verb, "dev", lab.Link, "root", "netem", "loss", fmt.Sprintf("%d%%", loss)}
	if out, err := w.Borea.Command(context.Background(), "tc", args...).CombinedOutput(); err != nil {
		b.Fatalf("%s netem: %v: %s", verb, err, out)
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
