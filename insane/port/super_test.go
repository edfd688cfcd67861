package port

import (
	"encoding/binary"
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// superKind is one kind of super-frame, and whether the kernel takes it.
type superKind struct {
	name      string
	make      func(to net.HardwareAddr, number, n, size int) frame.Frame
	headerLen int // bytes of the headers of Ethernet, IPv4 and transport
	taken     bool
}

// superKinds returns the kinds of super-frames over IPv4.
func superKinds(t testing.TB, l *namespace) []superKind {
	return []superKind{
		{"TCP", superTCP, 54, true},
		{"UDP", superUDP, 42, knowsUDP(t, l)},
	}
}

// knowsUDP reports whether the kernel knows UDP super-frames, as kernels from 6.2 on do.
// They have VIRTIO_NET_HDR_GSO_UDP_L4 and TUN_F_USO4, and a TAP can ask for the latter.
// knowsUDP makes a TAP of its own, because another test checks what OpenTAP asks for.
func knowsUDP(t testing.TB, l *namespace) bool {
	t.Helper()
	probe, err := OpenTAP("probe")
	must(t, err)
	defer probe.Close()
	err = probe.ioctl(func(fd int) error {
		return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_USO4|unix.TUN_F_USO6)
	})
	if err != nil && err != unix.EINVAL {
		t.Fatalf("ask for UDP super-frames: %v", err)
	}
	return err == nil
}

// checkRefused fails unless the kernel takes the frame in front of f, refuses f as
// invalid, and takes another frame afterwards.
func checkRefused(t testing.TB, p Port, f frame.Frame) {
	t.Helper()
	if n, err := p.Write([]frame.Frame{reply(8), f, reply(9)}); n != 1 || !errors.Is(err, ErrInvalid) {
		t.Errorf("%d frames written, %v; want 1 and %v", n, err, ErrInvalid)
	}
	send(t, p, reply(9))
}

// superUDP makes a UDP super-frame of n packets with size bytes of payload each. Every
// byte of the payload is the number of its packet.
func superUDP(to net.HardwareAddr, number, n, size int) frame.Frame {
	udp := make([]byte, 8)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)+n*size))
	return superFrame(to, number, n, size, udp, unix.IPPROTO_UDP,
		frame.Header{GSOType: frame.GSOUDPL4, CsumOffset: 6})
}

// superTCP makes the same of TCP. Every kernel knows it.
func superTCP(to net.HardwareAddr, number, n, size int) frame.Frame {
	tcp := make([]byte, 20)
	tcp[12] = byte(len(tcp) / 4 << 4) // RFC 9293 §3.1: data offset
	return superFrame(to, number, n, size, tcp, unix.IPPROTO_TCP,
		frame.Header{GSOType: frame.GSOTCPv4, CsumOffset: 16})
}

// superFrame puts IPv4 in front of a transport header and a payload behind it.
func superFrame(to net.HardwareAddr, number, n, size int, transport []byte, protocol byte, h frame.Header) frame.Frame {
	ip := make([]byte, 20, 20+len(transport)+n*size)
	binary.BigEndian.PutUint16(ip[2:], uint16(cap(ip)))
	ip[0], ip[8], ip[9] = 0x45, 64, protocol
	copy(ip[12:], []byte{10, 9, 0, 1, 10, 9, 0, 2})
	ip = append(ip, transport...)
	for i := range n * size {
		ip = append(ip, byte(i/size))
	}
	f := packet(to, number, 0x0800, ip)
	h.Flags, h.GSOSize, h.CsumStart = frame.NeedsCsum, uint16(size), 14+20
	h.HdrLen = h.CsumStart + uint16(len(transport))
	f.SetHeader(h)
	return f
}
