package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/policy"
)

// stranger is the source of the frames that no stack has sent.
var stranger = net.HardwareAddr{0x02, 0x09, 0, 0, 0, 0xee}

// TestForeignFramesOnTheWire: a frame need not be IP to be relayed, or dropped,
// unchanged.
func TestForeignFramesOnTheWire(t *testing.T) {
	newTestbed(t).foreignFrames(t, "pass", "percent 50", "percent 0")
}

func (b *testbed) foreignFrames(t *testing.T, policies ...string) {
	out := b.rawSocket(t, b.from, b.door(b.from), 0)
	in := b.rawSocket(t, b.to, b.door(b.to), unix.PACKET_AUXDATA)
	to := b.link(t, b.to, b.door(b.to)).Attrs().HardwareAddr
	bridges := net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, 0x0e} // the nearest one (IEEE 802.1AB)
	broadcast := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	const experimental = 0x88b5 // an EtherType of IEEE 802 for private use
	frames := []struct {
		name string
		data []byte
	}{
		{"no payload", ether(to, 0, experimental)},
		{"short", ether(to, 1, experimental)},
		{"full", ether(to, 1500, experimental)},
		{"broadcast", ether(broadcast, 46, experimental)},
		{"LLDP", ether(bridges, 46, 0x88cc)},
		{"802.3 length", ether(to, 46, 46)},
		{"jumbo length", ether(to, 100, 1501)},
		{"tagged", ether(to, 46, 0x8100, 0x2005, experimental)},
		{"tagged full", ether(to, 1500, 0x8100, 0x0fff, experimental)},
		{"priority", ether(to, 46, 0x8100, 0xe000, experimental)},
		{"service tag", ether(to, 46, 0x88a8, 0x1064, experimental)},
		{"tagged IPv4 that is none", ether(to, 46, 0x8100, 0x0001, 0x0800)},
		{"tagged twice", ether(to, 1400, 0x88a8, 0x0064, 0x8100, 0x0065, experimental)},
		{"IPv6 that is none", ether(to, 3, 0x86dd)},
		{"ARP that is none", ether(broadcast, 2, 0x0806)},
	}
	for _, text := range policies {
		t.Run(text, func(t *testing.T) {
			program, a := b.begin(t, text, 3)
			seq := 0
			for range 20 {
				for _, f := range frames {
					if err := out.send(f.data); err != nil {
						t.Fatalf("%s: send: %v", f.name, err)
					}
					if program.Decide(0, uint64(seq)) == policy.Relay {
						if got := in.receive(t); !bytes.Equal(got, f.data) {
							t.Fatalf("%s: sent %x, received %x", f.name, f.data, got)
						}
					}
					seq++
				}
			}
			a.check(t, seq, program)
			if n := in.waiting(t); n != 0 {
				t.Errorf("%d frames too many arrived", n)
			}
		})
	}
}

// TestRuntsStayOutside: what is shorter than an Ethernet header the kernel does
// not let in, and the device never sees.
func TestRuntsStayOutside(t *testing.T) {
	b := newTestbed(t)
	out := b.rawSocket(t, b.Borea, device, 0)
	program, a := b.begin(t, "pass", 4)
	whole := ether(stranger, 0, 0x88b5)
	for length := range len(whole) {
		if err := out.send(whole[:length]); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%d bytes: got %v, want %v", length, err, unix.EINVAL)
		}
	}
	if err := out.send(whole); err != nil {
		t.Fatal(err)
	}
	a.check(t, 1, program)
}

// ether makes a frame from the stranger: the words behind the addresses, type
// or length last, and so many bytes of payload.
func ether(to net.HardwareAddr, payload int, words ...uint16) []byte {
	f := append(append([]byte{}, to...), stranger...)
	for _, w := range words {
		f = binary.BigEndian.AppendUint16(f, w)
	}
	return append(f, noise[:payload]...)
}

// rawSocket is a packet socket on a link.
type rawSocket struct {
	fd     int
	buffer [1 << 16]byte
}

// rawSocket opens one that hears the stranger's frames alone, with an option of
// SOL_PACKET turned on unless it is 0.
func (b *testbed) rawSocket(t testing.TB, h *lab.Host, link string, option int) *rawSocket {
	t.Helper()
	s := &rawSocket{fd: -1}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
	index := b.link(t, h, link).Attrs().Index
	err := h.Do(func() (err error) {
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if option != 0 {
			if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, option, 1); err != nil {
				return err
			}
		}
		wait := unix.NsecToTimeval(longest.Nanoseconds())
		return errors.Join(
			unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
			unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}),
		)
	})
	t.Cleanup(func() { unix.Close(s.fd) })
	if err != nil {
		t.Fatalf("open packet socket on %s: %v", link, err)
	}
	return s
}

func (s *rawSocket) send(frame []byte) error {
	_, err := unix.Write(s.fd, frame)
	return err
}

// receive waits for the stranger's next frame and puts back the outer VLAN tag,
// which the kernel takes from the bytes (net/core/skbuff.c, skb_vlan_untag).
func (s *rawSocket) receive(t testing.TB) []byte {
	t.Helper()
	control := make([]byte, 128)
	for {
		n, nc, _, _, err := unix.Recvmsg(s.fd, s.buffer[:], control, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatalf("a frame that the engine relays does not arrive: %v", err)
		}
		f := s.buffer[:n]
		if n < 14 || !bytes.Equal(f[6:12], stranger) {
			continue
		}
		return append(append(bytes.Clone(f[:12]), outerTag(t, control[:nc])...), f[12:]...)
	}
}

// outerTag is the VLAN tag in the auxiliary data of a packet socket.
func outerTag(t testing.TB, control []byte) []byte {
	t.Helper()
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		if aux := (*unix.TpacketAuxdata)(unsafe.Pointer(&m.Data[0])); aux.Status&unix.TP_STATUS_VLAN_VALID != 0 {
			return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, aux.Vlan_tpid), aux.Vlan_tci)
		}
	}
	return nil
}

// waiting counts the stranger's frames that wait to be received.
func (s *rawSocket) waiting(t testing.TB) (count int) {
	t.Helper()
	time.Sleep(20 * time.Millisecond) // for what is still on its way
	for {
		n, _, err := unix.Recvfrom(s.fd, s.buffer[:], unix.MSG_DONTWAIT)
		if err == unix.EAGAIN {
			return count
		}
		if err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
		if n >= 14 && bytes.Equal(s.buffer[6:12], stranger) {
			count++
		}
	}
}
