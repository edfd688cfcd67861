package testbed

import (
	"encoding/binary"
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// Stranger is the source of frames that no stack has sent.
var Stranger = net.HardwareAddr{0x02, 0x09, 0, 0, 0, 0xee}

// RawSocket is a packet socket on a link.
type RawSocket struct {
	Fd     int
	Buffer [1 << 16]byte
}

// RawSocket opens a packet socket that receives only frames from Stranger. It turns on an
// option of SOL_PACKET, unless option is 0.
func (b *Bed) RawSocket(t testing.TB, h *lab.Host, link string, option int) *RawSocket {
	t.Helper()
	s := &RawSocket{Fd: -1}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
	index := labtest.LinkOf(t, h, link).Attrs().Index
	err := h.Do(func() (err error) {
		if s.Fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if option != 0 {
			if err := unix.SetsockoptInt(s.Fd, unix.SOL_PACKET, option, 1); err != nil {
				return err
			}
		}
		wait := unix.NsecToTimeval(Longest.Nanoseconds())
		return errors.Join(
			unix.SetsockoptInt(s.Fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptTimeval(s.Fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
			unix.Bind(s.Fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}),
		)
	})
	t.Cleanup(func() { unix.Close(s.Fd) })
	if err != nil {
		t.Fatalf("open packet socket on %s: %v", link, err)
	}
	return s
}

// Send sends a frame as it is.
func (s *RawSocket) Send(frame []byte) error {
	_, err := unix.Write(s.Fd, frame)
	return err
}
