package port

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// slaveReceiveBytes is how much may wait for the relay: some 60 super-frames, or
// 10,000 small frames, with what the kernel counts for its own bookkeeping.
const slaveReceiveBytes = 8 << 20

// receiver is the packet socket that receives.
type receiver struct {
	*file
	index int

	// The message that the kernel fills in. Only one goroutine reads.
	message unix.Msghdr
	vector  unix.Iovec
	aux     auxControl

	mu          sync.Mutex // guards what follows
	overruns    uint64     // the kernel's counter is reset by reading it
	unreadable  uint64
	promiscuous bool
}

// auxControl is the control message that comes with every frame
// (uapi/linux/if_packet.h, PACKET_AUXDATA).
type auxControl struct {
	header unix.Cmsghdr
	data   unix.TpacketAuxdata
	_      [4]byte // up to the alignment of a next message
}

// openReceiver opens the socket on a link.
func openReceiver(index int, name string, filter Filter) (*receiver, error) {
	// Protocol 0: nothing arrives before filter and binding are in place.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := setUpReceiver(fd, index, filter); err != nil {
		unix.Close(fd)
		return nil, err
	}
	f, err := newFile(os.NewFile(uintptr(fd), "slave "+name))
	if err != nil {
		return nil, err
	}
	r := &receiver{file: f, index: index}
	f.readFrame = r.readFrame
	return r, nil
}

func setUpReceiver(fd, index int, filter Filter) error {
	if err := filter.attach(fd); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	if err := setOptions(fd, []option{
		{"PACKET_VNET_HDR", unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		{"PACKET_AUXDATA", unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
		{"PACKET_IGNORE_OUTGOING", unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
		{"SO_RCVBUFFORCE", unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, slaveReceiveBytes},
	}); err != nil {
		return err
	}
	// Multicast that only the device has joined must get through the NIC's
	// own filter: solicitations of its IPv6 addresses. The membership is the
	// socket's and goes with it.
	if err := setMembership(fd, unix.PACKET_ADD_MEMBERSHIP, index, unix.PACKET_MR_ALLMULTI); err != nil {
		return fmt.Errorf("receive all multicast: %w", err)
	}
	err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL, binary.NativeEndian), Ifindex: index})
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

func setMembership(fd, operation, index, kind int) error {
	m := unix.PacketMreq{Ifindex: int32(index), Type: uint16(kind)}
	return unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, operation, &m)
}

// readFrame reads one frame into buf and puts what the kernel keeps beside its
// bytes into them: the VLAN tag.
func (r *receiver) readFrame(fd int, buf []byte) (from, to int, err error) {
	const room = frame.TagLen // in front, for the tag
	r.vector.Base = &buf[room]
	r.vector.SetLen(len(buf) - room)
	r.message.Iov, r.message.Iovlen = &r.vector, 1
	r.message.Control = (*byte)(unsafe.Pointer(&r.aux))
	r.message.SetControllen(int(unsafe.Sizeof(r.aux)))
	n, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.message)), 0)
	switch {
	case errno == unix.EINVAL, errno == 0 && r.message.Flags&unix.MSG_TRUNC != 0:
		// The virtio header has no words for what this frame is, such as
		// segments inside a tunnel (net/packet/af_packet.c, packet_rcv_vnet),
		// or it is longer than the link was meant to let it grow
		// (gro_max_size). It is lost.
		r.mu.Lock()
		r.unreadable++
		r.mu.Unlock()
		return 0, 0, unix.EINTR
	case errno != 0:
		return 0, 0, errno
	}
	from, to = room, room+int(n)
	if r.message.Controllen > 0 && r.aux.data.Status&unix.TP_STATUS_VLAN_VALID != 0 {
		from = to - len(frame.InsertTag(buf[:to], r.aux.data.Vlan_tpid, r.aux.data.Vlan_tci))
	}
	frame.MakePartial(frame.Frame(buf[from:to]))
	return from, to, nil
}

// SetFilter exchanges the filter. No frame meets both, or neither.
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

// SetPromiscuous makes the NIC receive what is addressed to others, or not. The
// wish is the socket's and goes with it.
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

// Overruns counts the frames since OpenSlave that the filter accepted and that
// were lost: the socket had no room for them, or they have no virtio header. After
// Close it stays what the last call before has returned. It may be called from any
// goroutine and does not wait for the network.
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
	return r.overruns + r.unreadable
}

// Bound says whether the link that the socket was opened on still exists: the
// kernel unbinds the socket when the link goes, and a new link may have the
// same name and even the same index (net/packet/af_packet.c, packet_notifier).
// A closed socket is not bound.
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
