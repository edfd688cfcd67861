package port

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// slaveSendBytes is the size of the send buffer: how many bytes may wait in the slave's
// queues before a write waits. It is enough to keep the NIC's ring full of super-frames.
const slaveSendBytes = 4 << 20

// Slave is a Port on the NIC that does the sending and receiving. It is two packet
// sockets, one for each direction. A frame that Read returns reaches the slave's own
// network stack too, unless an eBPF program of package kern takes it away there.
type Slave struct {
	*receiver
	*sender
}

// OpenSlave opens the sockets on the link with this index, in the network namespace of the
// calling thread. The name is for error messages only. Read returns the frames that filter
// accepts. Frames longer than the MTU pass as super-frames with their virtio header. On an
// error nothing is left open.
func OpenSlave(index int, name string, filter Filter) (*Slave, error) {
	receiver, err := openReceiver(index, filter)
	if err != nil {
		return nil, fmt.Errorf("open packet socket on %s: %w", name, err)
	}
	sender, err := openSender(index, name)
	if err != nil {
		receiver.Close()
		return nil, fmt.Errorf("open packet socket on %s: %w", name, err)
	}
	return &Slave{receiver: receiver, sender: sender}, nil
}

// Read implements Port.
func (s *Slave) Read(until policy.Time) ([]frame.Frame, error) { return s.receiver.Read(until) }

// Wake implements Port.
func (s *Slave) Wake() { s.receiver.Wake() }

// Write implements Port.
func (s *Slave) Write(frames []frame.Frame) (int, error) { return s.sender.Write(frames) }

// Progress implements Port.
func (s *Slave) Progress() uint64 { return s.sender.Progress() }

// Close implements Port.
func (s *Slave) Close() error { return errors.Join(s.receiver.Close(), s.sender.Close()) }

// option is a socket option. name is the name of its constant, for error messages.
type option struct {
	name               string
	level, code, value int
}

// setOptions sets options in order until one fails.
func setOptions(fd int, options []option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.code, o.value); err != nil {
			return fmt.Errorf("set %s: %w", o.name, err)
		}
	}
	return nil
}

// buffer names a buffer of a socket by the two options that set its size in bytes
// (socket(7)). The host limits what plain can set (net.core.rmem_max, net.core.wmem_max).
type buffer struct {
	name         string // of force, for error messages
	force, plain int
}

var (
	receiveBuffer = buffer{"SO_RCVBUFFORCE", unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}
	sendBuffer    = buffer{"SO_SNDBUFFORCE", unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}
)

// setBuffer sets the size of a buffer. To force a size needs CAP_NET_ADMIN in the first
// user namespace, also where the network namespace belongs to another one. Without that
// right the buffer gets the size that the host allows.
func setBuffer(fd int, b buffer, bytes int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.force, bytes)
	if err == unix.EPERM {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.plain, bytes)
	}
	if err != nil {
		return fmt.Errorf("set %s: %w", b.name, err)
	}
	return nil
}

// networkOrder returns the value whose bytes in memory, on a host of the given byte order,
// are v in network byte order. This is htons(3).
func networkOrder(v uint16, host binary.ByteOrder) uint16 {
	return host.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
