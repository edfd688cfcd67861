package port

import (
	"bytes"
	"net"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
)

// knowsTunnels reports whether the kernel knows super-frames of UDP tunnels, as kernels from
// 6.17 on do: a TAP with the longer header can ask for them.
func knowsTunnels(t testing.TB) bool {
	t.Helper()
	probe, err := OpenTAP("probe")
	must(t, err)
	defer probe.Close()
	err = probe.ioctl(func(fd int) error {
		must(t, unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, 24))
		return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4|0x80)
	})
	if err != nil && err != unix.EINVAL {
		t.Fatalf("ask for super-frames of tunnels: %v", err)
	}
	return err == nil
}

// A super-frame of a tunnel that is marked arrives at the host in one piece. A TAP on a kernel
// that knows none says so.
func TestTAPWritesTunnels(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	if !knowsTunnels(t) {
		if tap.CarriesTunnels() {
			t.Error("the TAP carries what the kernel does not know")
		}
		return
	}
	host := openSlave(t, l, "insane", acceptAll)
	super := porttest.InVXLAN(superTCP(linkOf(t, l, "insane").MAC, 2, 7, 1300))
	layout, err := frame.Inspect(super)
	must(t, err)
	layout.Mark(super)
	send(t, tap, reply(1), super, reply(3))
	got := readUntil(t, host, 3)
	if numbers := numbers(got); !slices.Equal(numbers, []int{1, 2, 3}) {
		t.Fatalf("%v arrived, want 1, 2 and 3", numbers)
	}
	if !bytes.Equal(got[1][frame.HeaderLen:], super[frame.HeaderLen:]) {
		t.Error("the super-frame is not what was written")
	}
	if layout, err := frame.Inspect(got[1]); err != nil || layout.Packets() != 7 {
		t.Errorf("%d packets in the super-frame, want 7 (%v)", layout.Packets(), err)
	}
}

// A super-frame that the host sends through a VXLAN crosses as one frame, and so does one that has an outer
// checksum. A kernel that does not know such super-frames makes the packets itself, before
// the TAP.
func TestTAPSuperFrameTunnel(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	wantFrames, wantPackets := 1, 24
	if !knowsTunnels(t) {
		wantFrames, wantPackets = 24, 1
	}
	for i, checksum := range []bool{false, true} {
		far := []byte{10, 77, byte(i), 2}
		name := []string{"vx0", "vx1"}[i]
		must(t, l.h.LinkAdd(&netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: name, MTU: 1300}, VxlanId: 42 + i, Port: 4789,
			SrcAddr: net.IP{10, 9, 0, 1}, Group: net.IP{10, 9, 0, 2}, UDPCSum: checksum}))
		sysctl(t, "net/ipv6/conf/"+name+"/disable_ipv6", "1")
		link := handleOf(t, l, name)
		must(t, l.h.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IP{10, 77, byte(i), 1}, Mask: net.CIDRMask(24, 32)}}))
		setUp(t, l, name)
		must(t, l.h.NeighAdd(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: far, HardwareAddr: from(2)}))
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		defer unix.Close(fd)
		must(t, unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1000))
		must(t, unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte(far)}))
		payload := bytes.Repeat([]byte("insane"), 4000)
		_, err = unix.Write(fd, payload)
		must(t, err)
		frames := readOne(t, tap)
		if len(frames) != wantFrames {
			t.Fatalf("%s: %d frames, want %d", name, len(frames), wantFrames)
		}
		var got []byte
		for _, f := range frames {
			layout, err := frame.Inspect(f)
			if err != nil || layout.Packets() != wantPackets {
				t.Errorf("%s: %d packets, header %+v, %v; want %d", name, layout.Packets(), f.Header(), err, wantPackets)
			}
			got = append(got, f[frame.HeaderLen+14+20+8+8+42:]...)
		}
		if !bytes.Equal(got, payload) {
			t.Errorf("%s: the payload is not what was sent", name)
		}
	}
}
