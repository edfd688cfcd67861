package wire

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// crowd asks for an address in the name of many neighbours that do not exist: each question
// has another source, and the answer goes to that source.
type crowd struct {
	question func(i int) []byte     // a frame
	answered func(frame []byte) int // the number of the question that the frame answers; -1: none
}

// neighbourCount is the number of neighbours that ask.
const neighbourCount = 200

// TestReceiveNeighbours: on request, policies also apply to ARP requests and neighbour
// solicitations for an address of insane. Exactly the relayed ones are answered, once.
func TestReceiveNeighbours(t *testing.T) {
	t.Parallel()
	b := testbed.NewReceiver(t)
	labtest.Set(t, b.Daemon, api.Change{JudgeNeighbours: new(true)})
	for _, tt := range []struct {
		name string
		crowd
	}{{"ARP", arpCrowd()}, {"ND", ndCrowd(t)}} {
		for _, percent := range []string{"50", "0", "100"} {
			t.Run(tt.name+"/percent"+percent, func(t *testing.T) {
				program, a := b.Begin(t, "percent "+percent, 41)
				s := b.RawSocket(t, b.Morgana, lab.Link, 0)
				var want []int
				for i := range neighbourCount {
					if err := s.Send(tt.question(i)); err != nil {
						t.Fatalf("send question %d: %v", i, err)
					}
					if !program.Decide(0, uint64(i)).Lost() {
						want = append(want, i)
					}
				}
				a.Check(t, neighbourCount, program)
				got := answers(t, s, tt.crowd, len(want))
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("answered were %v, the engine relays %v", got, want)
				}
				testbed.CheckRate(t, neighbourCount, len(got), percent)
			})
		}
	}
}

// TestReceiveNeighboursSpared: by default, each question is answered once, although the
// policy drops everything. None takes a number or counts as offered.
func TestReceiveNeighboursSpared(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		b := testbed.NewReceiver(t, path)
		for name, c := range map[string]crowd{"ARP": arpCrowd(), "ND": ndCrowd(t)} {
			_, a := b.Begin(t, "percent 0", 41)
			s := b.RawSocket(t, b.Morgana, lab.Link, 0)
			for i := range neighbourCount {
				if err := s.Send(c.question(i)); err != nil {
					t.Fatalf("send question %d: %v", i, err)
				}
			}
			got := answers(t, s, c, neighbourCount)
			slices.Sort(got)
			if got = slices.Compact(got); len(got) != neighbourCount {
				t.Errorf("%s: %d of %d questions were answered", name, len(got), neighbourCount)
			}
			if s := a.Stats(t); s.Offered.Packets != 0 || s.Neighbour.Packets < neighbourCount {
				t.Errorf("%s: %+v", name, s)
			}
		}
	})
}

// answers waits for want answers, and a moment more for others.
func answers(t testing.TB, s *testbed.RawSocket, a crowd, count int) (list []int) {
	t.Helper()
	for deadline := time.Now().Add(testbed.Longest); ; {
		wait := unix.NsecToTimeval((50 * time.Millisecond).Nanoseconds())
		if err := unix.SetsockoptTimeval(s.Fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
			t.Fatal(err)
		}
		n, _, err := unix.Recvfrom(s.Fd, s.Buffer[:], 0)
		switch {
		case err == unix.EAGAIN && (len(list) >= count || time.Now().After(deadline)):
			return list
		case err == unix.EAGAIN || err == unix.EINTR:
		case err != nil:
			t.Fatal(err)
		default:
			if i := a.answered(s.Buffer[:n]); i >= 0 {
				list = append(list, i)
			}
		}
	}
}

// arpCrowd asks for insane's IPv4 address (RFC 826).
func arpCrowd() crowd {
	broadcast := bytes.Repeat([]byte{0xff}, 6)
	own := netip.MustParseAddr(testbed.OwnIPv4).AsSlice()
	const firstHost = 10 // of 10.8.0.0/24
	who := func(i int) []byte { return []byte{own[0], own[1], own[2], byte(firstHost + i)} }
	return crowd{
		question: func(i int) []byte {
			f := append(ether(broadcast, 0, 0x0806), 0, 1, 8, 0, 6, 4, 0, 1) // Ethernet, IPv4, request
			f = append(append(f, testbed.Stranger...), who(i)...)
			return append(append(f, make([]byte, 6)...), own...)
		},
		answered: func(f []byte) int {
			reply := []byte{0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 2}
			if len(f) < 42 || !bytes.Equal(f[12:22], reply) || !bytes.Equal(f[28:32], own) {
				return -1
			}
			i := int(f[41]) - firstHost
			if i < 0 || i >= neighbourCount || !bytes.Equal(f[38:42], who(i)) || !bytes.Equal(f[:6], testbed.Stranger) {
				return -1
			}
			return i
		},
	}
}

// ndCrowd asks for insane's IPv6 address (RFC 4861 sections 4.3 and 4.4).
func ndCrowd(t testing.TB) crowd {
	own := netip.MustParseAddr(testbed.OwnIPv6).As16()
	group := netip.MustParseAddr("ff02::1:ff00:1").AsSlice() // solicited-node, of own
	mac := net.HardwareAddr{0x33, 0x33, 0xff, 0, 0, 1}
	who := func(i int) []byte {
		addr := own
		binary.BigEndian.PutUint16(addr[14:], uint16(0x1000+i))
		return addr[:]
	}
	return crowd{
		question: func(i int) []byte {
			body := append(make([]byte, 4), own[:]...)
			body = append(append(body, 1, 1), testbed.Stranger...) // source link-layer address
			m := icmp.Message{Type: ipv6.ICMPTypeNeighborSolicitation, Body: &icmp.RawBody{Data: body}}
			message, err := m.Marshal(icmp.IPv6PseudoHeader(who(i), group))
			if err != nil {
				t.Fatal(err)
			}
			f := append(ether(mac, 0, 0x86dd), 0x60, 0, 0, 0, 0, byte(len(message)), 58, 255)
			return append(append(append(f, who(i)...), group...), message...)
		},
		answered: func(f []byte) int {
			const ip, advertisement, target = 14, 14 + 40, 14 + 40 + 8
			if len(f) < target+16 || f[12] != 0x86 || f[ip+6] != 58 || f[advertisement] != 136 ||
				!bytes.Equal(f[target:target+16], own[:]) || !bytes.Equal(f[:6], testbed.Stranger) {
				return -1
			}
			i := int(binary.BigEndian.Uint16(f[ip+38:])) - 0x1000
			if i < 0 || i >= neighbourCount || !bytes.Equal(f[ip+24:ip+40], who(i)) {
				return -1
			}
			return i
		},
	}
}
