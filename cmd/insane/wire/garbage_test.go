package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestGarbageOnTheWire: the device gets all frames that the kernel accepts, also frames
// that no stack would send. It continues to work, its counters balance, and valid frames
// that follow are handled correctly.
func TestGarbageOnTheWire(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	before := b.Counters(t, b.Borea, testbed.Device).TxDropped
	s, frames := offerGarbage(t, b, 100_000, 4)
	if s.Offered.Packets+s.Neighbour.Packets < frames {
		t.Errorf("offered %d packets, %d of neighbours, but the kernel handed over %d frames", s.Offered.Packets, s.Neighbour.Packets, frames)
	}
	// The fast path refuses frames as well: those that the queue has lost wait for it until a tick.
	if n := b.Counters(t, b.Borea, testbed.Device).TxDropped - before; s.Overruns < n {
		t.Errorf("%d overruns, the kernel says %d", s.Overruns, n)
	}
}

// offerGarbage sends count frames, or as many as INSANE_FRAMES says, and valid frames of a
// family after them. It returns how many of the former the kernel has for the relay.
func offerGarbage(t *testing.T, b *testbed.Bed, count, family int) (s api.Stats, frames uint64) {
	count = testbed.EnvInt(t, "INSANE_FRAMES", count)
	answerNothing(t, b.To)
	out := b.RawSocket(t, b.From, door(b, b.From), unix.PACKET_VNET_HDR)
	_, a := b.Begin(t, "percent 70", 13)
	before := framesOffered(t, b)
	g := garbage{
		Rand: rand.New(rand.NewPCG(13, 37)), Course: b.Course,
		mac: labtest.LinkOf(t, b.To, door(b, b.To)).Attrs().HardwareAddr,
	}
	accepted := 0
	for i := range count {
		if out.Send(g.frame(t)) == nil {
			accepted++
		}
		if i%testbed.Window == 0 {
			awaitRead(t, b)
		}
	}
	awaitRead(t, b)
	s, frames = a.Stats(t), framesOffered(t, b)-before
	t.Logf("of %d frames the kernel let %d in; the device was offered %d packets in %d frames: relayed %d, dropped %v, overruns %d",
		count, accepted, s.Offered.Packets, frames, s.Relayed.Packets, s.Dropped, s.Overruns)
	if accepted < count/10 {
		t.Errorf("the kernel let only %d of %d frames in", accepted, count)
	}
	program, a := b.Begin(t, "percent 50", 14)
	b.NewFlow(t, family).Carry(t, a, program, testbed.Cargo{Count: 2000, Size: testbed.Always(100)})
	return s, frames
}

// answerNothing lets a host send no ICMP but the questions for neighbours and their answers.
// Garbage comes from hosts that do not exist, and an answer waits three seconds for the MAC
// address of its host. All network namespaces send ICMP through one socket for each CPU
// (net/ipv4/icmp.c, net/ipv6/icmp.c), so answers that wait leave no room for the answers to
// other tests.
func answerNothing(t testing.TB, h *lab.Host) {
	t.Helper()
	testbed.RequireProgram(t, "nft")
	labtest.Run(t, h, "nft", `add table inet silent;
		delete table inet silent;
		table inet silent {
			chain out {
				type filter hook output priority 0;
				meta l4proto icmp drop
				icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-reply } drop
			}
		}`)
}

// awaitRead waits until the relay has read all queued frames. No other packets are sent
// then, so the counters do not change.
func awaitRead(t testing.TB, b *testbed.Bed) {
	t.Helper()
	for deadline := time.Now().Add(testbed.Longest); ; {
		kernel := framesOffered(t, b)
		before := b.Stats(t)
		time.Sleep(200 * time.Microsecond)
		now := b.Stats(t)
		if framesOffered(t, b) == kernel && now.Offered == before.Offered && now.Neighbour == before.Neighbour {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the relay does not come to an end")
		}
	}
}

// garbage makes frames with virtio headers: one half is random bytes, the other half are
// super-frames with an error.
type garbage struct {
	*rand.Rand
	testbed.Course
	mac net.HardwareAddr // where the frames go
}

func (g garbage) frame(t testing.TB) []byte {
	if g.IntN(2) == 0 {
		return g.noise()
	}
	f := g.superFrame()
	for range g.IntN(4) {
		// Damage the headers, because they matter most.
		f[g.IntN(min(len(f), frame.HeaderLen+80))] = byte(g.Uint32())
	}
	if g.IntN(4) == 0 {
		f = f[:g.IntN(len(f)+1)]
	}
	return f
}

// noise makes random bytes behind a virtio header that the kernel accepts at times.
func (g garbage) noise() []byte {
	start := g.IntN(len(testbed.Noise) / 2)
	f := bytes.Clone(testbed.Noise[start : start+g.IntN(2000)])
	if len(f) >= frame.HeaderLen && g.IntN(4) != 0 {
		header := frame.Header{HdrLen: uint16(g.IntN(100))}
		if g.IntN(2) == 0 {
			header.Flags, header.CsumStart, header.CsumOffset = frame.NeedsCsum, uint16(g.IntN(64)), uint16(g.IntN(20))
		}
		frame.Frame(f).SetHeader(header)
	}
	return f
}

// superFrame makes a super-frame as the kernel does, of either protocol and family, with a
// few packets.
func (g garbage) superFrame() frame.Frame {
	size, payload := 1+g.IntN(1400), g.IntN(20_000)
	size = max(size, payload/60) // packets in one super-frame are limited (net/ipv4/udp_offload.c, UDP_MAX_SEGMENTS)
	tcp, v6 := g.IntN(2) == 0, g.IntN(2) == 0
	transport := transportHeader(tcp, payload)
	network := g.networkHeader(tcp, v6, len(transport)+payload)
	link := append(append([]byte{}, g.mac...), testbed.Stranger...)
	link = binary.BigEndian.AppendUint16(link, map[bool]uint16{false: 0x0800, true: 0x86dd}[v6])
	f := make(frame.Frame, frame.HeaderLen)
	header := frame.Header{
		Flags: frame.NeedsCsum, GSOType: frame.GSOUDPL4, GSOSize: uint16(size),
		HdrLen:    uint16(len(link) + len(network) + len(transport)),
		CsumStart: uint16(len(link) + len(network)), CsumOffset: 6,
	}
	if tcp {
		header.GSOType, header.CsumOffset = map[bool]uint8{false: frame.GSOTCPv4, true: frame.GSOTCPv6}[v6], 16
	}
	f.SetHeader(header)
	for _, part := range [][]byte{link, network, transport, testbed.Noise[:payload%len(testbed.Noise)]} {
		f = append(f, part...)
	}
	return append(f, make([]byte, payload-payload%len(testbed.Noise))...)
}

// networkHeader makes an IP header from one host to the other. Its checksum is wrong; only
// the receiver checks it.
func (g garbage) networkHeader(tcp, v6 bool, length int) []byte {
	protocol := byte(unix.IPPROTO_UDP)
	if tcp {
		protocol = unix.IPPROTO_TCP
	}
	if v6 {
		h := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(length))
		h = append(h, protocol, 64)
		return append(append(h, g.From.IPv6.AsSlice()...), g.IPv6.AsSlice()...)
	}
	h := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(20+length))
	h = append(h, 0, 1, 0x40, 0, 64, protocol, 0, 0)
	return append(append(h, g.From.IPv4.AsSlice()...), g.IPv4.AsSlice()...)
}

// transportHeader makes a header from port 9 to port 9.
func transportHeader(tcp bool, payload int) []byte {
	if !tcp {
		return append(binary.BigEndian.AppendUint16([]byte{0, 9, 0, 9}, uint16(8+payload)), 0, 0)
	}
	return []byte{0, 9, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 5 << 4, 0x18, 1, 0, 0, 0, 0, 0}
}
