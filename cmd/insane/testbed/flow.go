package testbed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/seed-39a139a1/insane/policy"
)

// Limits of the packets that a flow has under way. The queue in front of the relay holds
// 1000 frames (insane/host, queueFrames), and a flow sends one more window before it checks
// again.
const (
	Window    = 256 // packets sent before the flow checks whether they arrived
	UnderWay  = 640 // packets sent that have neither arrived nor been dropped yet
	Sequence  = 8   // bytes at the start of each payload: the packet's number, big endian
	MaxUDP    = 1472
	rcvBuffer = 64 << 20
)

// Batcher is the common part of ipv4.PacketConn and ipv6.PacketConn: many datagrams in one
// system call (sendmmsg(2), recvmmsg(2)).
type Batcher interface {
	ReadBatch([]ipv4.Message, int) (int, error)
	WriteBatch([]ipv4.Message, int) (int, error)
}

// Flow is a pair of UDP sockets. The socket of the sending host is connected, through the
// device, to the socket of the receiving host.
type Flow struct {
	Out, In           *net.UDPConn
	Sender, Receiver  Batcher
	Messages, Arrived []ipv4.Message
}

// NewFlow opens the sockets. family is 4 or 6.
func (b *Bed) NewFlow(t testing.TB, family int) *Flow {
	t.Helper()
	f := &Flow{Messages: Messages(Window), Arrived: Messages(Window)}
	f.In = ListenUDP(t, b.To, b.Address(family))
	f.Out = b.DialUDP(t, f.In.LocalAddr().(*net.UDPAddr))
	if family == 4 {
		f.Sender, f.Receiver = ipv4.NewPacketConn(f.Out), ipv4.NewPacketConn(f.In)
	} else {
		f.Sender, f.Receiver = ipv6.NewPacketConn(f.Out), ipv6.NewPacketConn(f.In)
	}
	return f
}

// Noise contains all payloads; each starts at another place.
var Noise = func() []byte {
	data := make([]byte, 1<<14)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	return data
}()

// Fill writes the payload of packet i. No other packet has the same payload.
func Fill(payload []byte, i int) {
	binary.BigEndian.PutUint64(payload, uint64(i))
	copy(payload[Sequence:], Noise[i%(len(Noise)-MaxUDP):])
}

// Cargo describes the packets to send through a flow.
type Cargo struct {
	Count int                // packets
	Size  func(i int) int    // bytes of UDP payload of packet i, 8 to 1472
	Send  func(from, to int) // sends packets [from, to); nil: each packet is one frame
}

// Always returns a Size with which every packet has the same size.
func Always(size int) func(int) int { return func(int) int { return size } }

// Carry sends the cargo and receives it. Exactly the packets that the program relays must
// arrive, in order and unchanged. The flow knows which packets must arrive and waits for
// them, so that no queue overruns.
func (f *Flow) Carry(t testing.TB, a Account, program *policy.Program, c Cargo) (received int) {
	t.Helper()
	received = f.carry(t, &a, program, c)
	a.Check(t, c.Count, program)
	f.ExpectNothing(t)
	return received
}

// CarryOnly is Carry beside other packets, whose number is not known: it checks no counters.
func (f *Flow) CarryOnly(t testing.TB, program *policy.Program, c Cargo) (received int) {
	t.Helper()
	received = f.carry(t, nil, program, c)
	f.ExpectNothing(t)
	return received
}

func (f *Flow) carry(t testing.TB, a *Account, program *policy.Program, c Cargo) (received int) {
	t.Helper()
	if c.Send == nil {
		c.Send = func(from, to int) { f.SendPlain(t, c, from, to) }
	}
	sure := 0 // every packet below this number has arrived or was dropped
	for from := 0; from < c.Count+Window; from += Window {
		if from < c.Count {
			c.Send(from, min(from+Window, c.Count))
		}
		if from == 0 {
			continue // one window is under way while the next one is sent
		}
		arrived, last := f.expect(t, program, c, from-Window, min(from, c.Count))
		received += arrived
		if sure = max(sure, last+1); from+Window-sure > UnderWay && a != nil {
			a.Await(t, min(from, c.Count))
			sure = from
		}
	}
	return received
}

// SendPlain sends each packet as one frame.
func (f *Flow) SendPlain(t testing.TB, c Cargo, from, to int) {
	t.Helper()
	batch := f.Messages[:to-from]
	for i := range batch {
		buffer := &batch[i].Buffers[0]
		*buffer = (*buffer)[:c.Size(from+i)]
		Fill(*buffer, from+i)
	}
	for len(batch) > 0 {
		n, err := f.Sender.WriteBatch(batch, 0)
		if err != nil {
			t.Fatalf("send packet %d: %v", to-len(batch), err)
		}
		batch = batch[n:]
	}
}

// expect receives the packets of [from, to) that the program relays. It returns their
// number, and the number of the last one; -1 if there is none.
func (f *Flow) expect(t testing.TB, program *policy.Program, c Cargo, from, to int) (count, last int) {
	t.Helper()
	var want []int
	for i := from; i < to; i++ {
		if !program.Decide(0, uint64(i)).Lost() {
			want = append(want, i)
		}
	}
	if len(want) == 0 {
		return 0, -1
	}
	_ = f.In.SetReadDeadline(time.Now().Add(Longest))
	for left := want; len(left) > 0; {
		n, err := f.Receiver.ReadBatch(f.Arrived[:min(len(left), len(f.Arrived))], 0)
		if err != nil {
			t.Fatalf("packet %d, which the engine relays, does not arrive: %v", left[0], err)
		}
		for i, m := range f.Arrived[:n] {
			c.compare(t, m.Buffers[0][:m.N], left[i])
		}
		left = left[n:]
	}
	return len(want), want[len(want)-1]
}

// compare fails if the received payload is not that of packet i.
func (c Cargo) compare(t testing.TB, got []byte, i int) {
	t.Helper()
	var buffer [MaxUDP]byte
	want := buffer[:c.Size(i)]
	if Fill(want, i); !bytes.Equal(got, want) {
		t.Fatalf("packet %d of %d bytes arrived where number %d of %d bytes was expected",
			NumberOf(got), len(got), i, len(want))
	}
}

// ExpectNothing fails if a datagram waits to be received. Call it after the counters were
// checked: such a datagram is one packet too many.
func (f *Flow) ExpectNothing(t testing.TB) {
	t.Helper()
	_ = f.In.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	n, err := f.Receiver.ReadBatch(f.Arrived, 0)
	if err == nil {
		t.Errorf("%d packets too many arrived, packet %d first", n, NumberOf(f.Arrived[0].Buffers[0][:f.Arrived[0].N]))
	} else if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// NumberOf reads the number of a packet; -1 if it has none.
func NumberOf(payload []byte) int {
	if len(payload) < Sequence {
		return -1
	}
	return int(binary.BigEndian.Uint64(payload))
}
