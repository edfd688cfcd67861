package port

import (
	"encoding/binary"
	"fmt"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// slaveReceiveBytes is the size of the receive buffer: how many bytes may wait for the
// relay. This is enough for some 60 super-frames or 10,000 small frames, including the
// kernel's own bookkeeping.
const slaveReceiveBytes = 8 << 20

// receiver is the packet socket that receives. Read and Close are those of a Port; the
// other methods may be called from any goroutine.
type receiver struct {
	*file
	index int

	// The message that the kernel fills in. It needs no lock, since only one goroutine
	// reads.
	message unix.Msghdr
	vector  unix.Iovec
	control control

	arrivals arrivals

	mu          sync.Mutex // guards what follows
	overruns    uint64     // sum of the readings: each reading sets the kernel's counter to 0
	promiscuous bool
}

// openReceiver opens the socket on the link with this index.
func openReceiver(index int, filter Filter) (*receiver, error) {
	// With protocol 0 no frame arrives until the socket has its filter and is bound.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := setUpReceiver(fd, index, filter); err != nil {
		unix.Close(fd)
		return nil, err
	}
	d, err := newDescriptor(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	r := &receiver{file: newFile(d), index: index}
	r.file.readFrame = r.readFrame
	return r, nil
}

// setUpReceiver sets filter, options and memberships and then binds the socket.
func setUpReceiver(fd, index int, filter Filter) error {
	if err := filter.attach(fd); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	if err := setOptions(fd, []option{
		{"PACKET_VNET_HDR", unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		{"PACKET_AUXDATA", unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
		{"PACKET_IGNORE_OUTGOING", unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
	}); err != nil {
		return err
	}
	if err := setBuffer(fd, receiveBuffer, slaveReceiveBytes); err != nil {
		return err
	}
	// Neighbour solicitations for the IPv6 addresses of the device are multicast
	// that the slave itself has not joined. The NIC's own filter must let them
	// through. The kernel drops the membership when the socket is closed.
	if err := setMembership(fd, unix.PACKET_ADD_MEMBERSHIP, index, unix.PACKET_MR_ALLMULTI); err != nil {
		return fmt.Errorf("receive all multicast: %w", err)
	}
	err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL, binary.NativeEndian), Ifindex: index})
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// setMembership adds or drops a membership of a packet socket (packet(7)).
func setMembership(fd, operation, index, kind int) error {
	m := unix.PacketMreq{Ifindex: int32(index), Type: uint16(kind)}
	return unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, operation, &m)
}

// readFrame reads one frame into buf. The kernel keeps the VLAN tag beside the bytes of
// the frame; readFrame puts it back into the frame. For a frame that the kernel cannot
// return it returns an empty one.
func (r *receiver) readFrame(fd int, buf []byte) (from, to int, err error) {
	const room = frame.TagLen // in front, for the tag
	r.vector.Base = &buf[room]
	r.vector.SetLen(len(buf) - room)
	r.message.Iov, r.message.Iovlen = &r.vector, 1
	r.message.Control = &r.control[0]
	r.message.SetControllen(len(r.control))
	n, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.message)), 0)
	switch {
	case errno == unix.EINVAL, errno == 0 && r.message.Flags&unix.MSG_TRUNC != 0:
		// The frame is lost. Either a virtio header cannot describe it, for
		// example segments of SCTP (net/packet/af_packet.c, packet_rcv_vnet),
		// or it is longer than any frame should be.
		r.arrivals.add(unix.Timespec{})
		return 0, 0, nil
	case errno != 0:
		return 0, 0, errno
	}
	from, to = room, room+int(n)
	aux, arrived := r.control.read(int(r.message.Controllen))
	r.arrivals.add(arrived)
	if aux.Status&unix.TP_STATUS_VLAN_VALID != 0 {
		from = to - len(frame.InsertTag(buf[:to], aux.Vlan_tpid, aux.Vlan_tci))
	}
	frame.MakePartial(buf[from:to])
	frame.FinishCRC(buf[from:to])
	return from, to, nil
}

// Read implements Port.
func (r *receiver) Read(until policy.Time) ([]frame.Frame, error) {
	r.arrivals.reset()
	return r.file.Read(until)
}

// SetFilter replaces the filter. Each frame passes either the old filter or the new one,
// never both and never none. It fails after Close.
func (r *receiver) SetFilter(filter Filter) error {
	var ferr error
	err := r.file.raw.Control(func(fd uintptr) { ferr = filter.attach(int(fd)) })
	if err == nil {
		err = ferr
	}
	if err != nil {
		return fmt.Errorf("exchange filter: %w", err)
	}
	return nil
}

// SetPromiscuous makes the NIC receive frames for other MAC addresses too, or ends that.
// The kernel counts this per socket and undoes it when the socket is closed. A second call
// with the same value does nothing.
func (r *receiver) SetPromiscuous(on bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if on == r.promiscuous {
		return nil
	}
	operation := unix.PACKET_ADD_MEMBERSHIP
	if !on {
		operation = unix.PACKET_DROP_MEMBERSHIP
	}
	var merr error
	err := r.file.raw.Control(func(fd uintptr) {
		merr = setMembership(int(fd), operation, r.index, unix.PACKET_MR_PROMISC)
	})
	if err == nil {
		err = merr
	}
	if err != nil {
		return fmt.Errorf("set promiscuous mode of the slave: %w", err)
	}
	r.promiscuous = on
	return nil
}

// Overruns returns the number of frames since OpenSlave that the filter accepted and that
// were lost because the receive buffer was full. After Close it returns what the last call before Close returned. It
// does not wait for the network.
func (r *receiver) Overruns() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var stats *unix.TpacketStats
	var optErr error
	err := r.file.raw.Control(func(fd uintptr) {
		stats, optErr = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	})
	if err == nil && optErr == nil { // otherwise the socket is closed and counts no more
		r.overruns += uint64(stats.Drops)
	}
	return r.overruns
}

// Bound reports whether the link that the socket was opened on still exists. The kernel
// unbinds the socket when the link is deleted; a new link may have the same name and even
// the same index (net/packet/af_packet.c, packet_notifier). A closed socket is not bound.
func (r *receiver) Bound() bool {
	var addr unix.Sockaddr
	var nameErr error
	err := r.file.raw.Control(func(fd uintptr) { addr, nameErr = unix.Getsockname(int(fd)) })
	if err != nil || nameErr != nil {
		return false
	}
	ll, ok := addr.(*unix.SockaddrLinklayer)
	return ok && ll.Ifindex > 0
}
