package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insanely/wire"
)

// TestTCPOnTheWire: a stream loses one packet in a hundred and arrives whole.
// The losses are just those of the engine, and what the relay passes on is what
// the far kernel receives, packet by packet.
func TestTCPOnTheWire(t *testing.T) {
	for _, tt := range []struct {
		name   string
		verify bool // let the kernels compute and verify each checksum
		bytes  int64
	}{
		{"offloads", false, 128 << 20},
		{"checksums", true, 64 << 20},
	} {
		b := newTestbed(t)
		if tt.verify {
			b.checkEveryChecksum(t)
		}
		for _, family := range []int{4, 6} {
			t.Run(fmt.Sprintf("IPv%d/%s", family, tt.name), func(t *testing.T) { b.stream(t, family, tt.bytes) })
		}
	}
}

// stream sends so many bytes at one loss in a hundred and checks what became of them.
func (b *testbed) stream(t *testing.T, family int, size int64) {
	program, a := b.begin(t, "percent 99", uint64(1000+family))
	heard := b.unicastReceived(t, b.Morgana, family)
	frames := b.counters(t, b.Borea, device).TxPackets
	info := b.sendStream(t, family, size)
	b.awaitQuiet(t)

	s := a.stats(t)
	dropped := drops(program, s.Offered.Packets)
	if got := s.Dropped[wire.DropPolicy].Packets; got != dropped || dropped == 0 {
		t.Errorf("policy dropped %d of %d packets, the engine says %d", got, s.Offered.Packets, dropped)
	}
	if delete(s.Dropped, wire.DropPolicy); len(s.Dropped) != 0 {
		t.Errorf("packets were dropped for other reasons: %v", s.Dropped)
	}
	checkRate(t, int(s.Offered.Packets), int(s.Relayed.Packets), "99")
	checkRuns(t, program, s.Offered.Packets)
	if heard = b.unicastReceived(t, b.Morgana, family) - heard; heard != s.Relayed.Packets {
		t.Errorf("relayed %d packets, morgana received %d", s.Relayed.Packets, heard)
	}
	if frames = b.counters(t, b.Borea, device).TxPackets - frames; frames*2 > s.Offered.Packets {
		t.Errorf("%d packets came in %d frames: these were no super-frames", s.Offered.Packets, frames)
	}
	b.checkChecksums(t)
	if uint64(info.Total_retrans) < dropped/2 {
		t.Errorf("TCP sent %d packets again, but %d were lost", info.Total_retrans, dropped)
	}
}

// sendStream sends random bytes from borea to morgana and compares the hashes of
// both ends. It returns what the sending kernel knows of the connection.
func (b *testbed) sendStream(t *testing.T, family int, size int64) *unix.TCPInfo {
	t.Helper()
	out, in := b.connect(t, family)
	_ = out.SetDeadline(time.Now().Add(3 * longest))
	_ = in.SetDeadline(time.Now().Add(3 * longest))
	arrived := make(chan []byte, 1)
	go func() {
		defer close(arrived)
		hash := sha256.New()
		if n, err := io.Copy(hash, in); err != nil || n != size {
			t.Errorf("received %d of %d bytes: %v", n, size, err)
		}
		arrived <- hash.Sum(nil)
	}()
	hash := sha256.New()
	source := io.LimitReader(rand.NewChaCha8([32]byte{byte(family)}), size)
	if _, err := io.Copy(io.MultiWriter(out, hash), source); err != nil {
		t.Fatalf("send: %v", err)
	}
	if err := out.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := <-arrived; !bytes.Equal(got, hash.Sum(nil)) {
		t.Errorf("what arrived has the hash %x, what was sent %x", got, hash.Sum(nil))
	}
	return awaitAcknowledged(t, out)
}

// connect opens a connection from borea to morgana, through the device.
func (b *testbed) connect(t *testing.T, family int) (out, in *net.TCPConn) {
	t.Helper()
	to := b.Morgana.IPv4
	if family == 6 {
		to = b.Morgana.IPv6
	}
	l := listenTCP(t, b, to)
	err := b.Borea.Do(func() (err error) {
		out, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	if in, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return out, in
}

// listenTCP listens in morgana on any port.
func listenTCP(t testing.TB, b *testbed, addr netip.Addr) (l *net.TCPListener) {
	t.Helper()
	err := b.Morgana.Do(func() (err error) {
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// awaitAcknowledged waits until the far end has everything, and says so, and
// returns what the kernel knows of the connection then.
func awaitAcknowledged(t testing.TB, conn *net.TCPConn) (info *unix.TCPInfo) {
	t.Helper()
	for deadline := time.Now().Add(longest); ; time.Sleep(time.Millisecond) {
		onSocket(t, conn, func(fd int) (err error) {
			info, err = unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO)
			return err
		})
		if info.Unacked == 0 {
			return info
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d segments are not acknowledged", info.Unacked)
		}
	}
}
