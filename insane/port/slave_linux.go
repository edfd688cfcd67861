package port

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// slaveSendBytes is how much may wait in the slave's queues before a write
// waits: enough for its ring to stay full of super-frames.
const slaveSendBytes = 4 << 20

// Slave is two packet sockets on the NIC that does the sending and receiving,
// one for each. Whether the slave's own stack gets a frame that is read here as
// well is not the sockets' business.
type Slave struct {
	*receiver
	*sender
}

// OpenSlave opens the sockets and lets the frames through that filter accepts.
// Frames longer than the MTU pass as super-frames with their virtio header.
func OpenSlave(index int, name string, filter Filter) (*Slave, error) {
	receiver, err := openReceiver(index, name, filter)
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
func (s *Slave) Read() ([]frame.Frame, error) { return s.receiver.Read() }

// Write implements Port.
func (s *Slave) Write(frames []frame.Frame) (int, error) { return s.sender.Write(frames) }

// Close implements Port.
func (s *Slave) Close() error { return errors.Join(s.receiver.Close(), s.sender.Close()) }

// option is a socket option with the name of its constant.
type option struct {
	name               string
	level, code, value int
}

func setOptions(fd int, options []option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.code, o.value); err != nil {
			return fmt.Errorf("set %s: %w", o.name, err)
		}
	}
	return nil
}

// networkOrder is htons(3) on a host with the given byte order: the value whose bytes
// in memory are v in network order.
func networkOrder(v uint16, host binary.ByteOrder) uint16 {
	return host.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
