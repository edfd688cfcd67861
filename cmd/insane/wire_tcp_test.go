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

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/wire"
)

// TestTCPOnTheWire: a stream loses one packet in a hundred and arrives whole.
// The losses are just those of the engine, and what the relay passes on is what
// the far kernel receives, packet by packet.
func TestTCPOnTheWire(t *testing.T) {
	newTestbed(t).streams(t, "offloads", 128<<20)
	b := newTestbed(t)
	b.checkEveryChecksum(t, false)
	b.streams(t, "checksums", 64<<20)
}

func (b *testbed) streams(t *testing.T, name string, size int64) {
	for _, family := range []int{4, 6} {
		t.Run(fmt.Sprintf("IPv%d/%s", family, name), func(t *testing.T) { b.stream(t, family, size) })
	}
}

// stream sends so many bytes at one loss in a hundred and checks what became of them.
func (b *testbed) stream(t *testing.T, family int, size int64) {
	program, a := b.begin(t, "percent 99", uint64(1000+family))
	before := b.heard(t, family)
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
	if b.receiving() {
		b.checkHeardFrames(t, family, before, s.Relayed)
	} else {
		b.checkHeardPackets(t, family, before, s)
	}
	b.checkChecksums(t)
	if uint64(info.Total_retrans) < dropped/2 {
		t.Errorf("TCP sent %d packets again, but %d were lost", info.Total_retrans, dropped)
	}
}

// heard is what the kernels know of a stream.
type heard struct {
	frames  uint64 // that crossed the TAP
	packets uint64 // that the receiver's IP got
	octets  uint64 // that were in them
}

func (b *testbed) heard(t testing.TB, family int) (h heard) {
	t.Helper()
	h.packets, h.octets = b.unicastReceived(t, b.to, family)
	s := b.counters(t, b.Borea, device)
	if h.frames = s.TxPackets; b.receiving() {
		h.frames = s.RxPackets
	}
	return h
}

// checkHeardPackets fails unless the far kernel got the packets that were sent.
func (b *testbed) checkHeardPackets(t testing.TB, family int, before heard, s wire.Stats) {
	t.Helper()
	now := b.heard(t, family)
	if n := now.packets - before.packets; n != s.Relayed.Packets {
		t.Errorf("relayed %d packets, %s received %d", s.Relayed.Packets, b.to.Name, n)
	}
	if frames := now.frames - before.frames; frames*2 > s.Offered.Packets {
		t.Errorf("%d packets came in %d frames: these were no super-frames", s.Offered.Packets, frames)
	}
}

// checkHeardFrames is for what comes in by the TAP. IP counts its super-frames as
// one packet each (drivers/net/tun.c, tun_get_user, knows no number of segments), so
// the octets must tell: a packet fewer is the fewer by its headers.
func (b *testbed) checkHeardFrames(t testing.TB, family int, before heard, relayed wire.Count) {
	t.Helper()
	const link, transport = 14, 20 + 12 // with time stamps
	network := uint64(map[int]int{4: 20, 6: 40}[family])
	now := b.heard(t, family)
	frames, octets := now.frames-before.frames, now.octets-before.octets
	if n := now.packets - before.packets; n != frames {
		t.Errorf("the device passed on %d frames, IP received %d", frames, n)
	}
	if want := relayed.Bytes - relayed.Packets*link - (relayed.Packets-frames)*(network+transport); octets != want {
		t.Errorf("%d packets were relayed in %d frames: IP received %d octets, want %d", relayed.Packets, frames, octets, want)
	}
	if frames*2 > relayed.Packets {
		t.Errorf("%d packets were relayed in %d frames: these were no super-frames", relayed.Packets, frames)
	}
}

// sendStream sends random bytes through the device and compares the hashes of both
// ends. It returns what the sending kernel knows of the connection.
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

// connect opens a connection through the device.
func (b *testbed) connect(t *testing.T, family int) (out, in *net.TCPConn) {
	t.Helper()
	l := listenTCP(t, b.to, b.address(family))
	err := b.from.Do(func() (err error) {
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

// listenTCP listens in a host on any port.
func listenTCP(t testing.TB, h *lab.Host, addr netip.Addr) (l *net.TCPListener) {
	t.Helper()
	err := h.Do(func() (err error) {
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
