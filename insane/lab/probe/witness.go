package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// witness is a packet socket on the link at which the packets of a probe arrive. It also sees
// packets that the kernel drops afterwards, because they are damaged.
type witness struct {
	host   Host
	fd     int
	before kernelCounts
}

// watch opens the witness. From then on the kernel keeps what arrives.
func (p Probe) watch() (*witness, error) {
	w := &witness{host: p.To, fd: -1}
	err := p.To.Do(func() (err error) {
		if err = w.open(p.Witness, p.Buffer); err != nil {
			return err
		}
		w.before, err = readKernelCounts()
		return err
	})
	if err != nil {
		w.close()
		return nil, fmt.Errorf("watch %s: %w", p.Witness, err)
	}
	return w, nil
}

// open makes the socket, which has a virtio header in front of every frame.
func (w *witness) open(name string, buffer int) error {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("socket", err)
	}
	ipv4 := binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff})
	return errors.Join(
		unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer),
		unix.SetsockoptInt(w.fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(w.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: ipv4, Ifindex: link.Index}),
	)
}

// report adds to a result what the witness has seen, and what the kernel has counted since
// watch. The probe must have settled.
func (w *witness) report(result *Result, payload int) error {
	frames, err := w.read(payload)
	if err != nil {
		return fmt.Errorf("read what arrived: %w", err)
	}
	result.Damage = compare(frames)
	return w.host.Do(func() error {
		after, err := readKernelCounts()
		if err != nil {
			return err
		}
		result.Rejected = after.rejected - w.before.rejected
		// The drops of the socket may contain packets with a wrong checksum: it verifies the
		// checksum when somebody reads (net/ipv4/udp.c, __first_packet_length).
		result.Overflowed = min(result.Overflowed, after.overflowed-w.before.overflowed)
		return nil
	})
}

// read returns the frames that wait in the socket and have the size of the probe's, each with
// the virtio header.
func (w *witness) read(payload int) ([][]byte, error) {
	size := headersSize + payload
	var frames [][]byte
	for buffer := make([]byte, size+1); ; {
		n, err := unix.Read(w.fd, buffer)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return frames, nil
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, err
		case n == size:
			frames = append(frames, append([]byte(nil), buffer[:n]...))
		}
	}
}

func (w *witness) close() {
	if w.fd >= 0 {
		_ = unix.Close(w.fd)
	}
}
