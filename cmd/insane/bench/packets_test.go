package bench

import (
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// BenchmarkRoundTrip sends one small packet to the other host and back.
func BenchmarkRoundTrip(b *testing.B) {
	ways := newWays(b)
	for _, w := range ways {
		near, far := w.ends()
		b.Run("path="+w.name, func(b *testing.B) { benchRoundTrip(b, near, far) })
	}
	checkWays(b, ways)
}

func benchRoundTrip(b *testing.B, near, far benchEnd) {
	echo := testbed.ListenUDP(b, far.host, far.addr)
	go func() {
		for buf := make([]byte, 64); ; {
			size, from, err := echo.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			echo.WriteToUDPAddrPort(buf[:size], from)
		}
	}()
	c := near.dial(b, echo.LocalAddr())
	c.SetReadDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 64)
	trips := make([]time.Duration, 0, 1<<20)
	for b.Loop() {
		began := time.Now()
		if _, err := c.Write(buf[:18]); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
		trips = append(trips, time.Since(began))
	}
	slices.Sort(trips)
	b.ReportMetric(0, "ns/op") // it would include pauses of the machine
	b.ReportMetric(float64(trips[len(trips)/2]), "p50-ns")
	b.ReportMetric(float64(trips[len(trips)*99/100]), "p99-ns")
}

// BenchmarkPackets sends 64-byte packets as fast as one sender can. It reports how many are
// sent in a second, and how many arrive; with a device, four out of five should arrive.
func BenchmarkPackets(b *testing.B) {
	each(b, func(b *testing.B, w *benchWay, sender, receiver benchEnd) {
		if w.daemon == nil {
			benchPackets(b, sender, receiver)
			return
		}
		w.fault(b, sender.host, "percent 80")
		before := w.stats(b, sender.host)
		sent := benchPackets(b, sender, receiver)
		after := w.stats(b, sender.host)
		w.fault(b, sender.host, "pass")
		lost := after.Overruns - before.Overruns
		b.ReportMetric(float64(lost)/b.Elapsed().Seconds(), "overruns/s")
		if w.path == api.PathKernel {
			w.checkFlood(b, uint64(sent), after.Offered.Packets-before.Offered.Packets, lost)
		}
	})
}

// checkFlood makes a run invalid if the kernel's path has not carried every packet.
func (w *benchWay) checkFlood(b *testing.B, sent, offered, overruns uint64) {
	b.Helper()
	const foreign = 20 // packets of the kernels: neighbours, multicast groups
	if overruns > 0 || offered < sent || offered > sent+foreign {
		b.Errorf("%s: %d packets were sent, %d offered to the device; %d overruns", w.name, sent, offered, overruns)
	}
}

func benchPackets(b *testing.B, sender, receiver benchEnd) (sent int) {
	in := testbed.ListenUDP(b, receiver.host, receiver.addr)
	var arrived atomic.Int64
	go countPackets(in, &arrived)
	out := ipv4.NewPacketConn(sender.dial(b, in.LocalAddr()).(*net.UDPConn))
	batch := make([]ipv4.Message, 64)
	for i := range batch {
		batch[i].Buffers = [][]byte{make([]byte, 64-20-8)}
	}
	for b.Loop() {
		k, err := out.WriteBatch(batch, 0)
		if err != nil {
			b.Fatal(err)
		}
		sent += k
	}
	elapsed := b.Elapsed().Seconds()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(arrived.Load())/elapsed, "arrived/s")
	b.ReportMetric(float64(sent)/elapsed, "sent/s")
	return sent
}

func countPackets(c *net.UDPConn, n *atomic.Int64) {
	in := ipv4.NewPacketConn(c)
	batch := make([]ipv4.Message, 64)
	for i := range batch {
		batch[i].Buffers = [][]byte{make([]byte, 128)}
	}
	for {
		k, err := in.ReadBatch(batch, 0)
		n.Add(int64(k))
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}
