package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestForeignFramesOnTheWire: a frame that is not IP is also relayed unchanged, or dropped.
func TestForeignFramesOnTheWire(t *testing.T) {
	t.Parallel()
	foreignFrames(t, testbed.New(t), "pass", "percent 50", "percent 0")
}

func foreignFrames(t *testing.T, b *testbed.Bed, policies ...string) {
	out := b.RawSocket(t, b.From, door(b, b.From), 0)
	in := b.RawSocket(t, b.To, door(b, b.To), unix.PACKET_AUXDATA)
	hearEverything(t, b.To)
	to := labtest.LinkOf(t, b.To, door(b, b.To)).Attrs().HardwareAddr
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
			program, a := b.Begin(t, text, 3)
			seq := 0
			for range 20 {
				for _, f := range frames {
					if err := out.Send(f.data); err != nil {
						t.Fatalf("%s: send: %v", f.name, err)
					}
					if !program.Decide(0, uint64(seq)).Lost() {
						if got := receive(t, in, f.name); !sameFrame(got, f.data) {
							t.Fatalf("%s: sent %x, received %x", f.name, f.data, got)
						}
					}
					seq++
				}
			}
			a.Check(t, seq, program)
			if n := waiting(t, in); n != 0 {
				t.Errorf("%d frames too many arrived", n)
			}
		})
	}
}

// sameFrame reports whether a frame arrived as it was sent. A card may fill it up to the 60
// bytes that an Ethernet frame has at least, or to 64 with a tag.
func sameFrame(got, sent []byte) bool {
	const least, tag = 60, 4
	if labtest.Cards() && len(got) > len(sent) && len(got) <= least+tag {
		sent = append(bytes.Clone(sent), make([]byte, len(got)-len(sent))...)
	}
	return bytes.Equal(got, sent)
}

// TestRuntsStayOutside: the kernel refuses a frame that is shorter than an Ethernet header,
// so the device never gets it.
func TestRuntsStayOutside(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	out := b.RawSocket(t, b.Borea, testbed.Device, 0)
	program, a := b.Begin(t, "pass", 4)
	whole := ether(testbed.Stranger, 0, 0x88b5)
	for length := range len(whole) {
		if err := out.Send(whole[:length]); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%d bytes: got %v, want %v", length, err, unix.EINVAL)
		}
	}
	if err := out.Send(whole); err != nil {
		t.Fatal(err)
	}
	a.Check(t, 1, program)
}

// ether makes a frame from Stranger. words follow the addresses, and the last word is the
// type or the length. The last part is the payload, of payload bytes.
func ether(to net.HardwareAddr, payload int, words ...uint16) []byte {
	f := append(append([]byte{}, to...), testbed.Stranger...)
	for _, w := range words {
		f = binary.BigEndian.AppendUint16(f, w)
	}
	return append(f, testbed.Noise[:payload]...)
}

// receive waits for Stranger's next frame and puts back the outer VLAN tag, which the
// kernel removes from the bytes (net/core/skbuff.c, skb_vlan_untag).
func receive(t testing.TB, s *testbed.RawSocket, what string) []byte {
	t.Helper()
	control := make([]byte, 128)
	for {
		n, nc, _, _, err := unix.Recvmsg(s.Fd, s.Buffer[:], control, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatalf("%s: a frame that the engine relays does not arrive: %v", what, err)
		}
		f := s.Buffer[:n]
		if n < 14 || !bytes.Equal(f[6:12], testbed.Stranger) {
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

// waiting counts the frames from Stranger that wait to be received.
func waiting(t testing.TB, s *testbed.RawSocket) (count int) {
	t.Helper()
	time.Sleep(20 * time.Millisecond) // for frames that are still on their way
	for {
		n, _, err := unix.Recvfrom(s.Fd, s.Buffer[:], unix.MSG_DONTWAIT)
		if err == unix.EAGAIN {
			return count
		}
		if err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
		if n >= 14 && bytes.Equal(s.Buffer[6:12], testbed.Stranger) {
			count++
		}
	}
}
