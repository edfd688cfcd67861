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
	eachPath(t, func(t *testing.T, path string) {
		newTestbed(t, path).streams(t, "offloads", 64<<20)
		b := newTestbed(t, path)
		b.checkEveryChecksum(t, false)
		b.streams(t, "checksums", 32<<20)
	})
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
	groups  uint64 // packets to groups that it got beside: some may have come by the device
}

func (b *testbed) heard(t testing.TB, family int) (h heard) {
	t.Helper()
	h.packets, h.octets = b.unicastReceived(t, b.to, family)
	h.groups = b.groupsReceived(t, b.to, family)
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
	n, groups := now.packets-before.packets, now.groups-before.groups
	if n > s.Relayed.Packets || n+groups < s.Relayed.Packets {
		t.Errorf("relayed %d packets, %s received %d, and %d to groups", s.Relayed.Packets, b.to.Name, n, groups)
	}
	if frames := now.frames - before.frames; frames*2 > s.Offered.Packets {
		t.Errorf("%d packets came in %d frames: these were no super-frames", s.Offered.Packets, frames)
	}
}

// checkHeardFrames is for what the device passes on to its host. IP counts the
// super-frames that come by the TAP as one packet each (drivers/net/tun.c,
// tun_get_user, knows no number of segments), so the octets must tell: a packet that
// is merged with the one before does without headers. Frames of the fast path do not
// pass the TAP, and count as the packets they are.
func (b *testbed) checkHeardFrames(t testing.TB, family int, before heard, relayed wire.Count) {
	t.Helper()
	const link, transport = 14, 20 + 12 // with time stamps
	network := uint64(map[int]int{4: 20, 6: 40}[family])
	now := b.heard(t, family)
	crossed, packets, octets := now.frames-before.frames, now.packets-before.packets, now.octets-before.octets
	spared := relayed.Bytes - relayed.Packets*link - octets
	frames := relayed.Packets - spared/(network+transport)
	right := frames == crossed && packets == crossed
	if b.path == wire.PathKernel {
		right = frames > crossed && frames <= packets && packets <= relayed.Packets
	}
	if !right || spared%(network+transport) != 0 {
		t.Errorf("%d packets of %d bytes were relayed, %d frames of them by the TAP: IP received %d packets, %d octets, so %d frames",
			relayed.Packets, relayed.Bytes, crossed, packets, octets, frames)
	}
	if frames*2 > relayed.Packets {
		t.Errorf("%d packets were relayed in %d frames: these were no super-frames", relayed.Packets, frames)
	}
}

// sendStream sends random bytes through the device, compares the hashes of both ends
// and ends the connection. It returns what the sending kernel knew of the connection
// when everything was acknowledged.
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
	info := awaitAcknowledged(t, out)
	if err := in.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	awaitClosed(t, in)
	return info
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
func awaitAcknowledged(t testing.TB, conn *net.TCPConn) *unix.TCPInfo {
	t.Helper()
	return awaitTCP(t, conn, func(i *unix.TCPInfo) bool { return i.Unacked == 0 })
}

// awaitClosed waits until the other end has acknowledged the FIN of an end that has
// the other one's FIN already. The device may drop that acknowledgement, and a FIN that
// meets a socket which is just being closed on another processor gets none
// (net/ipv4/tcp_input.c, tcp_rcv_state_process, TCP_CLOSE). It is sent again after
// 200 ms, and its acknowledgement must not be a packet of the run that follows.
func awaitClosed(t testing.TB, conn *net.TCPConn) {
	t.Helper()
	awaitTCP(t, conn, func(i *unix.TCPInfo) bool { return i.State == unix.BPF_TCP_CLOSE })
}

// awaitTCP waits until the kernel says of a connection what done asks for.
func awaitTCP(t testing.TB, conn *net.TCPConn, done func(*unix.TCPInfo) bool) (info *unix.TCPInfo) {
	t.Helper()
	for deadline := time.Now().Add(longest); ; time.Sleep(time.Millisecond) {
		onSocket(t, conn, func(fd int) (err error) {
			info, err = unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO)
			return err
		})
		if done(info) {
			return info
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for a connection in state %d with %d segments not acknowledged", info.State, info.Unacked)
		}
	}
}
