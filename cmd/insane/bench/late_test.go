package bench

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// BenchmarkHeldLate measures how much later than a constant delay packets arrive, by the time
// stamps of the receiving kernel: one packet a millisecond, alone and beside 4 Gbit/s of TCP that
// have the same delay.
func BenchmarkHeldLate(b *testing.B) {
	direct := &benchWay{Lab: labtest.New(b), name: "direct"}
	device := newDeviceWay(b, "relay", api.PathRelay, api.ReceiveAuto)
	for _, w := range []*benchWay{direct, device} {
		w.widen(b)
		w.meet(b)
	}
	for _, beside := range []uint64{0, 4_000_000_000} {
		for _, c := range []struct {
			*benchWay
			delay time.Duration
		}{{direct, 0}, {device, 100 * time.Microsecond}, {device, time.Millisecond}, {device, 10 * time.Millisecond}, {device, 100 * time.Millisecond}} {
			name := fmt.Sprintf("beside=%dGbit/delay=%v", beside/1e9, c.delay)
			if c.daemon == nil {
				name = fmt.Sprintf("beside=%dGbit/cable", beside/1e9)
			}
			c.fault(b, c.Borea, "delay "+c.delay.String())
			b.Run(name, func(b *testing.B) {
				near, far := c.ends()
				stop := near.stream(b, far, beside)
				benchLate(b, near, far, c.delay)
				b.ReportMetric(stop(), "beside-bit/s")
				if c.daemon != nil {
					own := labtest.Info(b, c.daemon).TX.Late
					b.ReportMetric(float64(own.P50)/1000, "release-p50-us")
					b.ReportMetric(float64(own.P99)/1000, "release-p99-us")
				}
			})
			c.fault(b, c.Borea, "pass")
		}
	}
	device.check(b)
}

// benchLate sends a packet a millisecond. It fails if one arrives before its time.
func benchLate(b *testing.B, near, far benchEnd, delay time.Duration) {
	in := testbed.StampArrivals(b, testbed.ListenUDP(b, far.host, far.addr))
	out := near.dial(b, in.LocalAddr())
	const most = 1 << 20
	sent, late, ended := make([]atomic.Int64, most), make([]time.Duration, 0, most), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			payload, stamp, err := in.Next(testbed.Longest)
			if err != nil {
				return
			}
			at := time.Duration(stamp.At.UnixNano() - sent[testbed.NumberOf(payload)].Load())
			late = append(late, at-delay)
		}
	}()
	payload, count := make([]byte, 18), 0
	for b.Loop() {
		testbed.Fill(payload, count)
		sent[count].Store(time.Now().UnixNano())
		if _, err := out.Write(payload); err != nil {
			b.Fatal(err)
		}
		count++
		time.Sleep(time.Millisecond)
	}
	time.Sleep(delay + 100*time.Millisecond)
	in.Close()
	<-ended
	if len(late) == 0 {
		b.Fatalf("none of %d packets arrived", count)
	}
	slices.Sort(late)
	if late[0] < 0 {
		b.Errorf("a packet arrived %v early", -late[0])
	}
	b.ReportMetric(0, "ns/op") // that is the pause
	b.ReportMetric(float64(count-len(late)), "lost")
	b.ReportMetric(float64(testbed.Quantile(late, 0.5))/1000, "late-p50-us")
	b.ReportMetric(float64(testbed.Quantile(late, 0.99))/1000, "late-p99-us")
}

// stream sends TCP at a rate until stop is called, which returns how many bits a second have
// arrived. A rate of 0 is nothing at all.
func (e benchEnd) stream(b *testing.B, to benchEnd, rate uint64) (stop func() float64) {
	b.Helper()
	if rate == 0 {
		return func() float64 { return 0 }
	}
	l := to.listenTCP(b)
	var bytes atomic.Int64
	go func() {
		c, err := l.Accept()
		for buf := make([]byte, 1<<20); err == nil; {
			var n int
			n, err = c.Read(buf)
			bytes.Add(int64(n))
		}
	}()
	c := e.dial(b, l.Addr()).(*net.TCPConn)
	testbed.OnSocket(b, c, func(fd int) error {
		return unix.SetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE, rate/8)
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for chunk := make([]byte, 1<<20); ctx.Err() == nil; {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	}()
	time.Sleep(time.Second) // until the connection has found its speed
	began, before := time.Now(), bytes.Load()
	return func() float64 {
		cancel()
		n := bytes.Load() - before
		c.Close()
		return 8 * float64(n) / time.Since(began).Seconds()
	}
}
