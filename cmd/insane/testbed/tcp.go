package testbed

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// SendStream sends random bytes through the device, compares the hashes of both ends
// and ends the connection. It returns what the sending kernel knew of the connection
// when everything was acknowledged.
func (b *Bed) SendStream(t *testing.T, family int, size int64) *unix.TCPInfo {
	t.Helper()
	out, in := b.connect(t, family)
	_ = out.SetDeadline(time.Now().Add(3 * Longest))
	_ = in.SetDeadline(time.Now().Add(3 * Longest))
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
func (b *Bed) connect(t *testing.T, family int) (out, in *net.TCPConn) {
	t.Helper()
	l := ListenTCP(t, b.To, b.Address(family))
	err := b.From.Do(func() (err error) {
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

// ListenTCP listens in a host on any port.
func ListenTCP(t testing.TB, h *lab.Host, addr netip.Addr) (l *net.TCPListener) {
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
	for deadline := time.Now().Add(Longest); ; time.Sleep(time.Millisecond) {
		OnSocket(t, conn, func(fd int) (err error) {
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
