package port

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

var (
	macBroadcast = net.HardwareAddr{255, 255, 255, 255, 255, 255}
	macMulticast = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
	macOther     = net.HardwareAddr{0x02, 0x69, 0x6e, 0x73, 0xff, 0xff}
)

// from returns the source address of the test's frame with this number. The last byte is
// the number.
func from(number int) net.HardwareAddr {
	return net.HardwareAddr{0x02, 0x69, 0x6e, 0x73, 0, byte(number)}
}

// numbers returns the numbers of the frames that the test sent, in order. It leaves out
// frames from others.
func numbers(frames []frame.Frame) (list []int) {
	for _, f := range frames {
		source := f[frame.HeaderLen+6:]
		if string(source[:5]) == string(from(0)[:5]) {
			list = append(list, int(source[5]))
		}
	}
	return list
}

// packet makes a plain frame with an empty virtio header.
func packet(to net.HardwareAddr, number int, etherType uint16, payload []byte) frame.Frame {
	f := make(frame.Frame, frame.HeaderLen, frame.HeaderLen+14+len(payload))
	f = append(append(f, to...), from(number)...)
	return append(binary.BigEndian.AppendUint16(f, etherType), payload...)
}

// arp makes an ARP packet for IPv4 (RFC 826).
func arp(to net.HardwareAddr, number int, operation byte) frame.Frame {
	body := append([]byte{0, 1, 8, 0, 6, 4, 0, operation}, from(number)...)
	body = append(append(body, 10, 9, 0, 2), to...)
	return packet(to, number, unix.ETH_P_ARP, append(body, 10, 9, 0, 1))
}

// reply makes an ARP reply, which every filter of a device accepts.
func reply(number int) frame.Frame { return arp(macBroadcast, number, arpReply) }

// icmpv6 makes an ICMPv6 packet without checksum.
func icmpv6(to net.HardwareAddr, number int, kind, hopLimit byte) frame.Frame {
	ip := make([]byte, 40+24)
	ip[0], ip[5], ip[6], ip[7], ip[40] = 0x60, 24, unix.IPPROTO_ICMPV6, hopLimit, kind
	return packet(to, number, unix.ETH_P_IPV6, ip)
}

// tagged puts a VLAN tag into a frame.
func tagged(f frame.Frame, vlan byte) frame.Frame {
	split := frame.HeaderLen + 12
	return append(append(f[:split:split], 0x81, 0, 0, vlan), f[split:]...)
}

// send writes frames, all of which the port must pass on.
func send(t testing.TB, p Port, frames ...frame.Frame) {
	t.Helper()
	if n, err := p.Write(frames); n != len(frames) || err != nil {
		t.Fatalf("%d of %d frames written: %v", n, len(frames), err)
	}
}

// watchdog closes a port after 20 s, so that a test that hangs fails.
func watchdog(p Port) (stop func() bool) {
	return time.AfterFunc(20*time.Second, func() { p.Close() }).Stop
}

// readOne calls Read once and returns copies of the frames.
func readOne(t testing.TB, p Port) (frames []frame.Frame) {
	t.Helper()
	defer watchdog(p)()
	borrowed, err := p.Read(0)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	for _, f := range borrowed {
		frames = append(frames, f.Clone())
	}
	return frames
}

// readUntil reads up to the frame with the number last. Nothing that was sent before it is
// still on the way then.
func readUntil(t testing.TB, p Port, last int) (frames []frame.Frame) {
	t.Helper()
	for {
		for _, f := range readOne(t, p) {
			frames = append(frames, f)
			if got := numbers(frames[len(frames)-1:]); len(got) == 1 && got[0] == last {
				return frames
			}
		}
	}
}
