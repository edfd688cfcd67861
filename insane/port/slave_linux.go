package port

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// slaveSendBytes is how much may wait in the slave's queues before a write
// waits: enough for its ring to stay full of super-frames.
const slaveSendBytes = 4 << 20

// Slave is two packet sockets on the NIC that does the sending and receiving,
// one for each. What it reads is a copy: the slave's own stack gets the frame as
// well.
type Slave struct {
	*file
	*sender

	mu       sync.Mutex // the kernel's counter is reset by reading it
	overruns uint64
}

// OpenSlave opens the sockets and lets the frames through that filter accepts.
// Frames longer than the MTU pass as super-frames with their virtio header.
func OpenSlave(link Link, filter []bpf.Instruction) (*Slave, error) {
	receiver, err := openReceiver(link, filter)
	if err != nil {
		return nil, fmt.Errorf("open packet socket on %s: %w", link.Name, err)
	}
	sender, err := openSender(link)
	if err != nil {
		receiver.Close()
		return nil, fmt.Errorf("open packet socket on %s: %w", link.Name, err)
	}
	return &Slave{file: receiver, sender: sender}, nil
}

// Write implements Port.
func (s *Slave) Write(frames []frame.Frame) (int, error) { return s.sender.Write(frames) }

// Close implements Port.
func (s *Slave) Close() error { return errors.Join(s.file.Close(), s.sender.Close()) }

// openReceiver opens the socket that receives.
func openReceiver(link Link, filter []bpf.Instruction) (*file, error) {
	// Protocol 0: nothing arrives before filter and binding are in place.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := setUpReceiver(fd, link, filter); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return newFile(os.NewFile(uintptr(fd), "slave "+link.Name))
}

func setUpReceiver(fd int, link Link, filter []bpf.Instruction) error {
	if err := attachFilter(fd, filter); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	if err := setOptions(fd, []option{
		{"PACKET_VNET_HDR", unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		{"PACKET_IGNORE_OUTGOING", unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
	}); err != nil {
		return err
	}
	// Multicast that only the device has joined must get through the NIC's
	// own filter: solicitations of its IPv6 addresses. The membership is the
	// socket's and goes with it.
	allMulti := unix.PacketMreq{Ifindex: int32(link.Index), Type: unix.PACKET_MR_ALLMULTI}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &allMulti); err != nil {
		return fmt.Errorf("receive all multicast: %w", err)
	}
	err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: link.Index})
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

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

func attachFilter(fd int, filter []bpf.Instruction) error {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return err
	}
	prog := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(raw)))}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog)
}

// Overruns counts the frames since OpenSlave that the filter accepted and the
// socket had no room for.
func (s *Slave) Overruns() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file.raw.Control(func(fd uintptr) {
		stats, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err == nil {
			s.overruns += uint64(stats.Drops)
		}
	})
	return s.overruns
}

// networkOrder is htons(3).
func networkOrder(v uint16) uint16 { return v<<8 | v>>8 }

// Bound says whether the link that the socket was opened on still exists: the
// kernel unbinds the socket when the link goes, and a new link may have the
// same name and even the same index (net/packet/af_packet.c, packet_notifier).
func (s *Slave) Bound() bool {
	bound := false
	s.file.raw.Control(func(fd uintptr) {
		addr, err := unix.Getsockname(int(fd))
		ll, ok := addr.(*unix.SockaddrLinklayer)
		bound = err == nil && ok && ll.Ifindex > 0
	})
	return bound
}
