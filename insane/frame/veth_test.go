//go:build !fuzz

package frame_test

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// veth is a veth pair in a network namespace of its own, with a packet socket
// on each end. The namespace lasts as long as the sockets in it.
type veth struct {
	wiring
	near, far int  // near sends frames with virtio header, far hears packets
	old       bool // the kernel does not know UDP super-frames (before 6.2)
	buffer    []byte
}

// wiring has the settings of a veth pair that differ between tests.
type wiring struct {
	cut      bool     // near has no offloads: the kernel cuts super-frames in front of it
	header   bool     // far hears frames with virtio header
	features []string // of far, to be turned on; names of ethtool
}

// openVeth makes a veth pair that goes with the test.
func openVeth(t *testing.T, w wiring) *veth {
	t.Helper()
	labtest.NeedRoot(t)
	v := &veth{wiring: w, near: -1, far: -1, buffer: make([]byte, frame.MaxLen)}
	made := make(chan error)
	go func() {
		made <- v.make()
	}()
	if err := <-made; err != nil {
		v.close()
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	v.probe(t)
	return v
}

func (v *veth) close() {
	for _, fd := range []int{v.near, v.far} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// probe finds out what the kernel knows, and waits until the pair carries frames:
// it drops them without a word between the carrier and its own noticing of that
// (net/core/link_watch.c).
func (v *veth) probe(t *testing.T) {
	t.Helper()
	f := super{family: 4, protocol: udp, payload: 2, gso: 1}.build()
	f[frame.HeaderLen+11]++ // from nobody the tests listen to
	_, err := unix.Write(v.near, f)
	v.old = err == unix.EINVAL

	hello := plain(0x88b5, 46)
	hello[frame.HeaderLen+11]++
	for range 1000 {
		if _, err := unix.Write(v.near, hello); err != nil {
			t.Fatalf("send: %v", err)
		}
		far := []unix.PollFd{{Fd: int32(v.far), Events: unix.POLLIN}}
		if n, _ := unix.Poll(far, 10); n > 0 {
			return
		}
	}
	t.Fatal("nothing comes through the veth pair")
}

// make builds namespace, links and sockets. The calling goroutine must end then.
func (v *veth) make() error {
	if err := labtest.Unshare(); err != nil {
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
	if v.near, err = packetSocket(indexes[0], 0, true); err != nil {
		return err
	}
	if v.far, err = packetSocket(indexes[1], unix.ETH_P_ALL, v.header); err != nil {
		return err
	}
	return v.setFeatures()
}

// packetSocket opens a packet socket on a link, with the virtio header or
// without it.
func packetSocket(index, protocol int, header bool) (int, error) {
	network := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, uint16(protocol))))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, network)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	second, vnet := unix.Timeval{Sec: 5}, 0
	if header {
		vnet = 1
	}
	for _, err := range []error{
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, vnet),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
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
