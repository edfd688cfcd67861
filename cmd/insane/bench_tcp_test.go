package main

import (
	"io"
	"net"
	"testing"
)

// BenchmarkTCP is one stream; an op is 1 MiB that has arrived.
func BenchmarkTCP(b *testing.B) {
	newBenchNet(b).each(b, benchTCP)
}

func benchTCP(b *testing.B, sender, receiver benchEnd) {
	l := receiver.listenTCP(b)
	got := int64(0)
	arrived := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			got, err = io.Copy(io.Discard, onlyReader{c})
			c.Close()
		}
		arrived <- err
	}()
	c := sender.dial(b, l.Addr())
	chunk := make([]byte, 1<<20)
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		if _, err := c.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	c.(*net.TCPConn).CloseWrite()
	if err := <-arrived; err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if got < int64(b.N)*int64(len(chunk)) {
		b.Fatalf("%d bytes arrived of %d MiB", got, b.N)
	}
	b.ReportMetric(float64(got)*8/b.Elapsed().Seconds()/1e9, "Gbit/s")
}

// onlyReader hides the fast ways of a TCP connection into io.Discard, which
// would leave reading out.
type onlyReader struct{ io.Reader }
