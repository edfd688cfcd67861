package main

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
)

// BenchmarkRoundTrip is one small packet there and back.
func BenchmarkRoundTrip(b *testing.B) {
	n := newBenchNet(b)
	for _, p := range n.paths {
		near, far := n.ends(p, n.Borea.Name)
		b.Run("path="+p.name, func(b *testing.B) { benchRoundTrip(b, near, far) })
	}
	n.checkBooks(b)
}

func benchRoundTrip(b *testing.B, near, far benchEnd) {
	echo := listenUDP(b, far.host, far.addr)
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
	buf := make([]byte, 64)
	for b.Loop() {
		if _, err := c.Write(buf[:18]); err != nil {
			b.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(longest))
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPackets offers 64-byte packets as fast as one sender can; what
// counts is how many of them arrive in a second.
func BenchmarkPackets(b *testing.B) {
	newBenchNet(b).each(b, benchPackets)
}

func benchPackets(b *testing.B, sender, receiver benchEnd) {
	in := listenUDP(b, receiver.host, receiver.addr)
	var arrived atomic.Int64
	go countPackets(in, &arrived)
	out := ipv4.NewPacketConn(sender.dial(b, in.LocalAddr()).(*net.UDPConn))
	batch := make([]ipv4.Message, 64)
	for i := range batch {
		batch[i].Buffers = [][]byte{make([]byte, 64-20-8)}
	}
	sent := 0
	for b.Loop() {
		k, err := out.WriteBatch(batch, 0)
		if err != nil {
			b.Fatal(err)
		}
		sent += k
	}
	elapsed := b.Elapsed().Seconds()
	b.StopTimer()
	b.ReportMetric(float64(arrived.Load())/elapsed, "arrived/s")
	b.ReportMetric(float64(sent)/elapsed, "sent/s")
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
