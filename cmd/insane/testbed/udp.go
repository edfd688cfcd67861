package testbed

import (
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// ListenUDP opens a socket whose buffer holds all packets that a test may have under way.
func ListenUDP(t testing.TB, h *lab.Host, addr netip.Addr) (conn *net.UDPConn) {
	t.Helper()
	err := h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	SetOption(t, conn, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, rcvBuffer)
	return conn
}

// DialUDP opens a socket of the sending host, connected to an address of the receiving
// host.
func (b *Bed) DialUDP(t testing.TB, to *net.UDPAddr) (conn *net.UDPConn) {
	t.Helper()
	err := b.From.Do(func() (err error) {
		conn, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(b.source(to.AddrPort().Addr()), 0)), to)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Messages makes n messages, each with its own buffer.
func Messages(n int) []ipv4.Message {
	list := make([]ipv4.Message, n)
	for i := range list {
		list[i].Buffers = [][]byte{make([]byte, MaxUDP+1)}
	}
	return list
}

// SetOption sets an option of a socket.
func SetOption(t testing.TB, conn syscall.Conn, level, option, value int) {
	t.Helper()
	OnSocket(t, conn, func(fd int) error { return unix.SetsockoptInt(fd, level, option, value) })
}

// OnSocket runs fn on the descriptor of a socket.
func OnSocket(t testing.TB, conn syscall.Conn, fn func(fd int) error) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = fn(int(fd)) }); err != nil {
		t.Fatal(err)
	}
	if failed != nil {
		t.Fatal(failed)
	}
}
