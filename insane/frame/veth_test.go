package frame_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// needRoot skips the test for who may not make network namespaces, unless
// INSANE_ROOT=1 says that this run may.
func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("INSANE_ROOT") == "1":
		t.Fatal("INSANE_ROOT=1, but not run by root")
	default:
		t.Skip("needs root, to make a network namespace")
	}
}

// veth is a veth pair in a network namespace of its own, with a packet socket
// on each end. The namespace lasts as long as the sockets in it.
type veth struct {
	near, far int // near sends frames with virtio header, far hears packets
	buffer    []byte
}

// openVeth makes a veth pair that goes with the test.
func openVeth(t *testing.T) *veth {
	t.Helper()
	needRoot(t)
	v := &veth{near: -1, far: -1, buffer: make([]byte, 1<<16)}
	made := make(chan error)
	go func() {
		// Never unlocked: the thread dies with the goroutine, so that none
		// comes back to the others in a foreign namespace.
		runtime.LockOSThread()
		made <- v.make()
	}()
	if err := <-made; err != nil {
		v.close()
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	return v
}

func (v *veth) close() {
	for _, fd := range []int{v.near, v.far} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// make builds namespace, links and sockets on the calling thread.
func (v *veth) make() error {
	if err := os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET)); err != nil {
		return err
	}
	here, err := netns.Get()
	if err != nil {
		return err
	}
	defer here.Close()
	handle, err := netlink.NewHandleAt(here)
	if err != nil {
		return err
	}
	defer handle.Close()
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "near"}, PeerName: "far"}
	if err := handle.LinkAdd(pair); err != nil {
		return err
	}
	indexes := [2]int{}
	for i, name := range []string{"near", "far"} {
		link, err := handle.LinkByName(name)
		if err != nil {
			return err
		}
		if err := handle.LinkSetMTU(link, 65535); err != nil {
			return err
		}
		if err := handle.LinkSetUp(link); err != nil {
			return err
		}
		indexes[i] = link.Attrs().Index
	}
	if v.near, err = packetSocket(indexes[0], 0, unix.PACKET_VNET_HDR); err != nil {
		return err
	}
	if v.far, err = packetSocket(indexes[1], unix.ETH_P_ALL, unix.PACKET_AUXDATA); err != nil {
		return err
	}
	// What the device cannot do, the kernel does in front of it.
	for _, off := range []uint32{unix.ETHTOOL_SGSO, unix.ETHTOOL_STSO, unix.ETHTOOL_STXCSUM, unix.ETHTOOL_SSG} {
		if err := ethtool(v.near, "near", off, 0); err != nil {
			return err
		}
	}
	return nil
}

// packetSocket opens a packet socket on a link with one option turned on.
func packetSocket(index, protocol, option int) (int, error) {
	network := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, uint16(protocol))))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, network)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	second := unix.Timeval{Sec: 5}
	for _, err := range []error{
		unix.SetsockoptInt(fd, unix.SOL_PACKET, option, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 1<<20),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &second),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(network), Ifindex: index}),
	} {
		if err != nil {
			unix.Close(fd)
			return -1, os.NewSyscallError("packet socket", err)
		}
	}
	return fd, nil
}

// ethtool sets one of the features of a link that have a number of their own
// (struct ethtool_value of linux/ethtool.h).
func ethtool(fd int, link string, command, value uint32) error {
	data := struct{ command, value uint32 }{command, value}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the rest of union ifr_ifru
	}{data: unsafe.Pointer(&data)}
	copy(request.name[:], link)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return os.NewSyscallError("ioctl SIOCETHTOOL", errno)
	}
	return nil
}

// carry sends frames into the near end and returns the packets that come out
// of the far one, in order, with their VLAN tags.
func (v *veth) carry(t *testing.T, frames ...frame.Frame) (packets [][]byte) {
	t.Helper()
	end := plain(0x88b5, 46) // an experimental type of IEEE 802
	onOneProcessor(t, func() {
		for i, f := range append(frames[:len(frames):len(frames)], end) {
			if _, err := unix.Write(v.near, f); err != nil {
				t.Fatalf("send frame %d of %d: %v", i, len(frames), err)
			}
		}
	})
	for {
		p := v.hear(t)
		switch {
		case bytes.Equal(p, end[frame.HeaderLen:]):
			return packets
		case bytes.Equal(p[6:12], macFrom): // else the kernel says hello
			packets = append(packets, p)
		}
	}
}

// onOneProcessor calls f on one processor. A veth pair queues packets by
// processor (enqueue_to_backlog of net/core/dev.c), so that what is sent on two
// may arrive in another order.
func onOneProcessor(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatalf("get affinity: %v", err)
	}
	first := 0
	for !all.IsSet(first) {
		first++
	}
	one.Set(first)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatalf("set affinity: %v", err)
	}
	defer unix.SchedSetaffinity(0, &all)
	f()
}

// hear receives one packet and puts back the outer VLAN tag, which the kernel
// takes from the bytes of every packet that it receives (skb_vlan_untag).
func (v *veth) hear(t *testing.T) []byte {
	t.Helper()
	oob := make([]byte, 128)
	n, oobn, _, _, err := unix.Recvmsg(v.far, v.buffer, oob, 0)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	p := bytes.Clone(v.buffer[:n])
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		aux := (*unix.TpacketAuxdata)(unsafe.Pointer(&m.Data[0]))
		if aux.Status&unix.TP_STATUS_VLAN_VALID != 0 {
			tag := binary.BigEndian.AppendUint16(nil, aux.Vlan_tpid)
			tag = binary.BigEndian.AppendUint16(tag, aux.Vlan_tci)
			p = append(append(p[:12:12], tag...), p[12:]...)
		}
	}
	return p
}
