package bench

import (
	"io"
	"net"
	"testing"
	"time"
)

// BenchmarkTCP measures one TCP stream; one op is 1 MiB that has arrived.
func BenchmarkTCP(b *testing.B) {
	each(b, func(b *testing.B, _ *benchWay, sender, receiver benchEnd) { benchTCP(b, sender, receiver) })
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
	began := time.Now()
	for b.Loop() {
		if _, err := c.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	c.(*net.TCPConn).CloseWrite()
	if err := <-arrived; err != nil {
		b.Fatal(err)
	}
	elapsed := time.Since(began)
	if got < int64(b.N)*int64(len(chunk)) {
		b.Fatalf("%d bytes arrived of %d MiB", got, b.N)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(got)*8/elapsed.Seconds(), "bit/s")
}

// onlyReader hides the optimised copy from a TCP connection into io.Discard, which would
// not read the data.
type onlyReader struct{ io.Reader }
