package testbed

import (
	"net"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Stamped receives packets of a socket, and when each of them came to the host, by the kernel.
type Stamped struct {
	*net.UDPConn
	payload, control []byte
}

// StampArrivals makes the kernel stamp what arrives at a socket.
func StampArrivals(t testing.TB, conn *net.UDPConn) *Stamped {
	t.Helper()
	SetOption(t, conn, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	return &Stamped{UDPConn: conn, payload: make([]byte, 1<<16), control: make([]byte, 128)}
}

// Stamp is what the kernel says of a packet beside its bytes.
type Stamp struct {
	At  time.Time
	TOS int // of its IPv4 header, if the socket asks for it
}

// Next waits for a packet. The payload is valid until the next call.
func (s *Stamped) Next(patience time.Duration) (payload []byte, stamp Stamp, err error) {
	_ = s.SetReadDeadline(time.Now().Add(patience))
	n, nc, _, _, err := s.ReadMsgUDP(s.payload, s.control)
	if err != nil {
		return nil, stamp, err
	}
	messages, err := unix.ParseSocketControlMessage(s.control[:nc])
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS:
			at := (*unix.Timespec)(unsafe.Pointer(unsafe.SliceData(m.Data)))
			stamp.At = time.Unix(at.Unix())
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_TOS:
			stamp.TOS = int(m.Data[0])
		}
	}
	return s.payload[:n], stamp, err
}

// Quantile is the value that a share of a sorted list does not exceed.
func Quantile(sorted []time.Duration, share float64) time.Duration {
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}
