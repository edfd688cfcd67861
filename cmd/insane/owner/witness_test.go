package owner

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
)

// witness is a UDP socket of borea, for both families, that reports through which link each
// packet came.
type witness struct {
	conn    *net.UDPConn
	reader  *ipv6.PacketConn
	waiting []ipv4.Message
}

// arrival is a packet that the witness received. The payload is valid until the next look.
type arrival struct {
	link    int // index
	from    netip.Addr
	payload []byte
}

func newWitness(t testing.TB, b *testbed.Bed) *witness {
	t.Helper()
	w := &witness{conn: testbed.ListenUDP(t, b.Borea, netip.IPv6Unspecified()), waiting: testbed.Messages(testbed.Window)}
	w.reader = ipv6.NewPacketConn(w.conn)
	if err := w.reader.SetControlMessage(ipv6.FlagInterface, true); err != nil {
		t.Fatal(err)
	}
	for i := range w.waiting {
		w.waiting[i].OOB = ipv6.NewControlMessage(ipv6.FlagInterface)
	}
	return w
}

func (w *witness) port() uint16 { return uint16(w.conn.LocalAddr().(*net.UDPAddr).Port) }

// look returns packets that have arrived. It waits until there is at least one, up to a
// limit.
func (w *witness) look(t testing.TB, patience time.Duration) (seen []arrival) {
	t.Helper()
	_ = w.conn.SetReadDeadline(time.Now().Add(patience))
	n, err := w.reader.ReadBatch(w.waiting, 0)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range w.waiting[:n] {
		var control ipv6.ControlMessage
		if err := control.Parse(m.OOB[:m.NN]); err != nil {
			t.Fatal(err)
		}
		from := m.Addr.(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
		seen = append(seen, arrival{link: control.IfIndex, from: from, payload: m.Buffers[0][:m.N]})
	}
	return seen
}

// collect returns how many packets with a mark came through which link. It waits for want
// packets, and a moment more for others.
func (w *witness) collect(t testing.TB, b *testbed.Bed, mark byte, want int) map[string]int {
	t.Helper()
	ways := make(map[string]int)
	for end := time.Now().Add(testbed.Longest); ; {
		patience := time.Until(end)
		if want <= 0 {
			patience = 20 * time.Millisecond
		}
		seen := w.look(t, patience)
		if len(seen) == 0 {
			return ways
		}
		for _, a := range seen {
			if got, _ := labelOf(a.payload); got == mark {
				ways[name(t, b, a.link)]++
				want--
			}
		}
	}
}

// stream is a UDP socket of morgana, bound to one of her addresses, that sends to an
// address of borea.
type stream struct {
	conn   *net.UDPConn
	sender testbed.Batcher
	to     *net.UDPAddr
	plain  []ipv4.Message
	sent   int // number of packets sent
}

func newStream(t testing.TB, b *testbed.Bed, from, to netip.Addr, port uint16) *stream {
	t.Helper()
	s := &stream{to: net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, port)), plain: testbed.Messages(testbed.Window)}
	s.conn = bindUDP(t, b.Morgana, from)
	if from.Is4() {
		s.sender = ipv4.NewPacketConn(s.conn)
	} else {
		s.sender = ipv6.NewPacketConn(s.conn)
	}
	for i := range s.plain {
		s.plain[i].Addr = s.to
	}
	return s
}

// bindUDP opens a socket that is not connected, so that no ICMP error ends it.
func bindUDP(t testing.TB, h *lab.Host, addr netip.Addr) (conn *net.UDPConn) {
	t.Helper()
	network := "udp6"
	if addr.Is4() {
		network = "udp4"
	}
	err := h.Do(func() (err error) {
		conn, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	testbed.SetOption(t, conn, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	return conn
}

// send sends count packets of size bytes, one frame each. They are numbered from s.sent on
// and marked with a byte.
func (s *stream) send(t testing.TB, mark byte, count, size int) {
	t.Helper()
	batch := s.plain[:count]
	for i := range batch {
		payload := batch[i].Buffers[0][:size]
		label(payload, mark, s.sent+i)
		batch[i].Buffers[0] = payload
	}
	for len(batch) > 0 {
		n, err := s.sender.WriteBatch(batch, 0)
		if err != nil {
			t.Fatalf("send to %s: %v", s.to, err)
		}
		batch = batch[n:]
	}
	s.sent += count
}

// sendSuper sends such packets as one super-frame (udp(7), UDP_SEGMENT).
func (s *stream) sendSuper(t testing.TB, mark byte, count, size int) {
	t.Helper()
	frame := make([]byte, count*size)
	for i := range count {
		label(frame[i*size:][:size], mark, s.sent+i)
	}
	testbed.SetOption(t, s.conn, unix.SOL_UDP, unix.UDP_SEGMENT, size)
	if _, err := s.conn.WriteTo(frame, s.to); err != nil {
		t.Fatalf("send %d bytes to %s: %v", len(frame), s.to, err)
	}
	s.sent += count
}

// labelLen is how many bytes of a payload label wants.
const labelLen = 1 + testbed.Sequence

func label(payload []byte, mark byte, number int) {
	payload[0] = mark
	binary.BigEndian.PutUint64(payload[1:], uint64(number))
}

func labelOf(payload []byte) (mark byte, number int) {
	if len(payload) < labelLen {
		return 0, -1
	}
	return payload[0], int(binary.BigEndian.Uint64(payload[1:]))
}
