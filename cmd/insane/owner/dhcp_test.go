package owner

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// dhcpServer is morgana's. It answers a request to where the test wants it: the message ends
// with the address.
func dhcpServer(t *testing.T, b *testbed.Bed) {
	t.Helper()
	conn := portOn(t, b.Morgana, lab.Link, 67)
	go func() {
		for buffer := make([]byte, 1500); ; {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			to, _ := netip.AddrFromSlice(buffer[n-4 : n])
			buffer[0] = 2 // a reply
			_, _ = conn.WriteToUDPAddrPort(buffer[:n], netip.AddrPortFrom(to, 68))
		}
	}()
}

// portOn opens a UDP port of a host on a link, as clients do that use sockets of the kernel.
func portOn(t *testing.T, h *lab.Host, link string, port int) *net.UDPConn {
	t.Helper()
	var conn net.PacketConn
	config := net.ListenConfig{Control: bindTo(link)}
	err := h.Do(func() (err error) {
		conn, err = config.ListenPacket(t.Context(), "udp4", fmt.Sprintf("0.0.0.0:%d", port))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	testbed.SetOption(t, conn.(*net.UDPConn), unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	return conn.(*net.UDPConn)
}

// dhcpMessage is a request of a transaction that is to be answered to an address (RFC 2131
// section 2).
func dhcpMessage(transaction uint32, answerTo netip.Addr) []byte {
	m := binary.BigEndian.AppendUint32([]byte{1, 1, 6, 0}, transaction)
	return append(append(m, make([]byte, 240)...), answerTo.AsSlice()...)
}

// hears waits for the answer of a transaction. Other answers do not count.
func hears(t *testing.T, what string, transaction uint32, read func([]byte) (int, error)) {
	t.Helper()
	want := binary.BigEndian.AppendUint32([]byte{2, 1, 6, 0}, transaction)
	for buffer := make([]byte, 1500); ; {
		n, err := read(buffer)
		if err != nil {
			t.Errorf("%s: no answer: %v", what, err)
			return
		}
		if bytes.Contains(buffer[:n], want) {
			return
		}
	}
}

// packetClient sends a request as a client without an address does, through a packet socket on
// a link of borea, and waits there for the answer.
func packetClient(t *testing.T, b *testbed.Bed, link string, transaction uint32, answerTo netip.Addr) {
	t.Helper()
	s := &testbed.RawSocket{}
	all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff})
	index := labtest.LinkOf(t, b.Borea, link).Attrs().Index
	err := b.Borea.Do(func() (err error) {
		if s.Fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		wait := unix.NsecToTimeval(testbed.Longest.Nanoseconds())
		return errors.Join(unix.SetsockoptTimeval(s.Fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
			unix.Bind(s.Fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}))
	})
	defer unix.Close(s.Fd)
	if err != nil {
		t.Fatal(err)
	}
	message := dhcpMessage(transaction, answerTo)
	mac := labtest.LinkOf(t, b.Borea, link).Attrs().HardwareAddr
	f := append(append([]byte{255, 255, 255, 255, 255, 255}, mac...), 8, 0, 0x45, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(28+len(message)))
	f = append(f, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255)
	sum := uint32(0)
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(f[i:]))
	}
	binary.BigEndian.PutUint16(f[24:], ^uint16(sum>>16+sum&0xffff))
	f = binary.BigEndian.AppendUint16(append(f, 0, 68, 0, 67), uint16(8+len(message)))
	if err := s.Send(append(append(f, 0, 0), message...)); err != nil {
		t.Fatal(err)
	}
	hears(t, "a packet socket on "+link+", answered to "+answerTo.String(), transaction, func(b []byte) (int, error) {
		for {
			n, _, err := unix.Recvfrom(s.Fd, b, 0)
			if err != unix.EINTR {
				return n, err
			}
		}
	})
}

// TestOwnerDHCP: clients of DHCP of every kind, on the slave and on insane, hear the answers of
// a server that is routed through insane and of one that is not, by broadcast, to the address
// that they have, and to one that they do not have yet.
func TestOwnerDHCP(t *testing.T) {
	eachPath(t, func(t *testing.T, path string) {
		l := labtest.New(t)
		b := &testbed.Bed{Lab: l, Daemon: labtest.StartDaemon(t, l, "--slave", lab.Link, "--path", path)}
		ip(t, b, "link", "set", testbed.Device, "up")
		dhcpServer(t, b)
		labtest.Run(t, b.Morgana, "ip", "neigh", "add", "10.9.0.99", "lladdr",
			labtest.LinkOf(t, b.Borea, lab.Link).Attrs().HardwareAddr.String(), "dev", lab.Link)
		transaction := uint32(0x10203040)
		for _, routed := range []bool{false, true} {
			if routed {
				addRoute(t, b, testbed.Device, slaveAddrs[4], "10.9.0.2")
				b.AwaitState(t, func(i api.Info) bool { return len(i.Takes.From) == 1 })
			}
			for _, link := range []string{lab.Link, testbed.Device} {
				client := portOn(t, b.Borea, link, 68)
				for _, to := range []string{"10.9.0.2", "255.255.255.255"} {
					for _, answer := range []string{"10.9.0.1", "255.255.255.255", "10.9.0.99"} {
						transaction++
						answerTo := netip.MustParseAddr(answer)
						if answer == "10.9.0.99" { // only packet sockets get that
							packetClient(t, b, link, transaction, answerTo)
							continue
						}
						_ = client.SetReadDeadline(time.Now().Add(5 * time.Second))
						_, err := client.WriteToUDPAddrPort(dhcpMessage(transaction, answerTo), netip.AddrPortFrom(netip.MustParseAddr(to), 67))
						if err != nil {
							t.Fatal(err)
						}
						hears(t, fmt.Sprintf("%s to %s, answered to %s, routed: %v", link, to, answer, routed), transaction, client.Read)
					}
				}
				_ = client.Close()
			}
		}
	})
}
