package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/policy"
)

// Bounds of what a flow has under way. The queue in front of the relay holds
// 1000 frames (insane/port, tapQueueFrames), and a flow sends one window more
// before it looks again.
const (
	window    = 256 // packets sent before the flow looks whether they arrived
	underWay  = 640 // packets of whose fate the flow may be unsure
	sequence  = 8   // bytes at the start of each payload: the packet's number, big endian
	maxUDP    = 1472
	rcvBuffer = 64 << 20
)

// batcher is what ipv4.PacketConn and ipv6.PacketConn share: many datagrams in
// one system call (sendmmsg(2), recvmmsg(2)).
type batcher interface {
	ReadBatch([]ipv4.Message, int) (int, error)
	WriteBatch([]ipv4.Message, int) (int, error)
}

// flow is a pair of UDP sockets: one of the sending host that is connected,
// through the device, to one of the receiving host.
type flow struct {
	out, in           *net.UDPConn
	sender, receiver  batcher
	messages, arrived []ipv4.Message
}

// newFlow opens the sockets, to the address of that family (4 or 6).
func (b *testbed) newFlow(t testing.TB, family int) *flow {
	t.Helper()
	f := &flow{messages: messages(window), arrived: messages(window)}
	f.in = listenUDP(t, b.to, b.address(family))
	f.out = b.dialUDP(t, f.in.LocalAddr().(*net.UDPAddr))
	if family == 4 {
		f.sender, f.receiver = ipv4.NewPacketConn(f.out), ipv4.NewPacketConn(f.in)
	} else {
		f.sender, f.receiver = ipv6.NewPacketConn(f.out), ipv6.NewPacketConn(f.in)
	}
	return f
}

// listenUDP opens a socket with room for all that a test may have under way.
func listenUDP(t testing.TB, h *lab.Host, addr netip.Addr) (conn *net.UDPConn) {
	t.Helper()
	err := h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	setOption(t, conn, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, rcvBuffer)
	return conn
}

// dialUDP opens a socket of the sending host that is connected to an address of the
// receiving one.
func (b *testbed) dialUDP(t testing.TB, to *net.UDPAddr) (conn *net.UDPConn) {
	t.Helper()
	err := b.from.Do(func() (err error) {
		conn, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(b.source(to.AddrPort().Addr()), 0)), to)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// messages are n datagrams with buffers of their own.
func messages(n int) []ipv4.Message {
	list := make([]ipv4.Message, n)
	for i := range list {
		list[i].Buffers = [][]byte{make([]byte, maxUDP+1)}
	}
	return list
}

// noise is what payloads are cut from, each from another place.
var noise = func() []byte {
	data := make([]byte, 1<<14)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	return data
}()

// fill writes the payload of packet i, which no other packet has.
func fill(payload []byte, i int) {
	binary.BigEndian.PutUint64(payload, uint64(i))
	copy(payload[sequence:], noise[i%(len(noise)-maxUDP):])
}

// cargo is what is sent through a flow.
type cargo struct {
	count int                // packets
	size  func(i int) int    // bytes of UDP payload of packet i, 8 to 1472
	send  func(from, to int) // packets [from, to), instead of one frame for each
}

func always(size int) func(int) int { return func(int) int { return size } }

// carry sends the cargo and receives it. Packet by packet it must be what the
// program relays: none missing, none more, in order, unchanged. The flow never
// has so much under way that a queue could overrun: it knows what must arrive
// and waits for it.
func (f *flow) carry(t testing.TB, a account, program *policy.Program, c cargo) (received int) {
	t.Helper()
	if c.send == nil {
		c.send = func(from, to int) { f.sendPlain(t, c, from, to) }
	}
	sure := 0 // every packet below this number has met its fate
	for from := 0; from < c.count+window; from += window {
		if from < c.count {
			c.send(from, min(from+window, c.count))
		}
		if from == 0 {
			continue // one window is under way while the next one is sent
		}
		arrived, last := f.expect(t, program, c, from-window, min(from, c.count))
		received += arrived
		if sure = max(sure, last+1); from+window-sure > underWay {
			a.await(t, min(from, c.count))
			sure = from
		}
	}
	a.check(t, c.count, program)
	f.expectNothing(t)
	return received
}

// sendPlain sends each packet as a frame.
func (f *flow) sendPlain(t testing.TB, c cargo, from, to int) {
	t.Helper()
	batch := f.messages[:to-from]
	for i := range batch {
		buffer := &batch[i].Buffers[0]
		*buffer = (*buffer)[:c.size(from+i)]
		fill(*buffer, from+i)
	}
	for len(batch) > 0 {
		n, err := f.sender.WriteBatch(batch, 0)
		if err != nil {
			t.Fatalf("send packet %d: %v", to-len(batch), err)
		}
		batch = batch[n:]
	}
}

// expect receives those of the packets [from, to) that the program relays. It
// returns how many they are, and the number of the last, -1 if there is none.
func (f *flow) expect(t testing.TB, program *policy.Program, c cargo, from, to int) (count, last int) {
	t.Helper()
	var want []int
	for i := from; i < to; i++ {
		if program.Decide(0, uint64(i)) == policy.Relay {
			want = append(want, i)
		}
	}
	if len(want) == 0 {
		return 0, -1
	}
	_ = f.in.SetReadDeadline(time.Now().Add(longest))
	for left := want; len(left) > 0; {
		n, err := f.receiver.ReadBatch(f.arrived[:min(len(left), len(f.arrived))], 0)
		if err != nil {
			t.Fatalf("packet %d, which the engine relays, does not arrive: %v", left[0], err)
		}
		for i, m := range f.arrived[:n] {
			c.compare(t, m.Buffers[0][:m.N], left[i])
		}
		left = left[n:]
	}
	return len(want), want[len(want)-1]
}

// compare fails if what arrived is not packet i.
func (c cargo) compare(t testing.TB, got []byte, i int) {
	t.Helper()
	var buffer [maxUDP]byte
	want := buffer[:c.size(i)]
	if fill(want, i); !bytes.Equal(got, want) {
		t.Fatalf("packet %d of %d bytes arrived where number %d of %d bytes was expected",
			numberOf(got), len(got), i, len(want))
	}
}

// expectNothing fails if a datagram waits to be received. It is asked when the
// counters are closed: what is on its way then is a packet too many.
func (f *flow) expectNothing(t testing.TB) {
	t.Helper()
	_ = f.in.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	n, err := f.receiver.ReadBatch(f.arrived, 0)
	if err == nil {
		t.Errorf("%d packets too many arrived, packet %d first", n, numberOf(f.arrived[0].Buffers[0][:f.arrived[0].N]))
	} else if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// numberOf reads the number of a packet, -1 if it has none.
func numberOf(payload []byte) int {
	if len(payload) < sequence {
		return -1
	}
	return int(binary.BigEndian.Uint64(payload))
}

// setOption sets an option of a socket.
func setOption(t testing.TB, conn syscall.Conn, level, option, value int) {
	t.Helper()
	onSocket(t, conn, func(fd int) error { return unix.SetsockoptInt(fd, level, option, value) })
}

// onSocket runs fn on the descriptor of a socket.
func onSocket(t testing.TB, conn syscall.Conn, fn func(fd int) error) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = fn(int(fd)) }); err != nil {
		t.Fatal(err)
	}
	if failed != nil {
		t.Fatal(failed)
	}
}
