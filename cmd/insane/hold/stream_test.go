package hold

import (
	"errors"
	"net"
	"os"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// arrival is a packet that has arrived.
type arrival struct {
	number int
	at     time.Time // by the kernel, when it came to the receiving host
	bytes  []byte    // of payload
	tos    int       // of its IPv4 header, if the socket asks for it
}

// stream is numbered packets of UDP on their way through a device.
type stream struct {
	*testbed.Flow
	bed  *testbed.Bed
	size int         // bytes of payload
	sent []time.Time // by number: a moment before the packet was sent
}

// newStream opens the sockets. The kernel stamps what arrives.
func newStream(t *testing.T, b *testbed.Bed, size int) *stream {
	t.Helper()
	s := &stream{Flow: b.NewFlow(t, 4), bed: b, size: size}
	testbed.SetOption(t, s.In, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	return s
}

// eachWay runs a test for packets that leave and for packets that arrive.
func eachWay(t *testing.T, test func(t *testing.T, b *testbed.Bed)) {
	for name, open := range map[string]func(testing.TB, ...string) *testbed.Bed{"tx": testbed.New, "rx": testbed.NewReceiver} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// send sends packets with a pause between them.
func (s *stream) send(t *testing.T, count int, pause time.Duration) {
	t.Helper()
	payload := make([]byte, s.size)
	for range count {
		testbed.Fill(payload, len(s.sent))
		s.sent = append(s.sent, time.Now())
		if _, err := s.Out.Write(payload); err != nil {
			t.Fatalf("send packet %d: %v", len(s.sent)-1, err)
		}
		if pause > 0 {
			time.Sleep(pause)
		}
	}
}

// super sends packets as one super-frame.
func (s *stream) super(t *testing.T, packets int) {
	t.Helper()
	testbed.SetOption(t, s.Out, unix.SOL_UDP, unix.UDP_SEGMENT, s.size)
	buffer := make([]byte, packets*s.size)
	now := time.Now()
	for i := range packets {
		testbed.Fill(buffer[i*s.size:(i+1)*s.size], len(s.sent))
		s.sent = append(s.sent, now)
	}
	if _, err := s.Out.Write(buffer); err != nil {
		t.Fatal(err)
	}
}

// receive waits for packets.
func (s *stream) receive(t *testing.T, count int) (list []arrival) {
	t.Helper()
	for len(list) < count {
		a, ok := s.next(t, testbed.Longest)
		if !ok {
			t.Fatalf("%d packets have arrived, want %d\n%+v", len(list), count, s.bed.Stats(t))
		}
		list = append(list, a)
	}
	return list
}

// rest receives what comes until nothing has come for a while.
func (s *stream) rest(t *testing.T, quiet time.Duration) (list []arrival) {
	t.Helper()
	for {
		a, ok := s.next(t, quiet)
		if !ok {
			return list
		}
		list = append(list, a)
	}
}

// next waits for one packet.
func (s *stream) next(t *testing.T, patience time.Duration) (a arrival, ok bool) {
	t.Helper()
	payload, control := make([]byte, testbed.MaxUDP+1), make([]byte, 128)
	_ = s.In.SetReadDeadline(time.Now().Add(patience))
	n, nc, _, _, err := s.In.ReadMsgUDP(payload, control)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return a, false
	}
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:nc])
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS {
			stamp := (*unix.Timespec)(unsafe.Pointer(unsafe.SliceData(m.Data)))
			a.at = time.Unix(stamp.Unix())
		}
		if m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_TOS {
			a.tos = int(m.Data[0])
		}
	}
	if a.at.IsZero() {
		t.Fatal("a packet without a time stamp")
	}
	a.bytes = payload[:n]
	a.number = testbed.NumberOf(a.bytes)
	return a, true
}

// whole fails unless a packet is what was sent.
func (s *stream) whole(t *testing.T, a arrival) {
	t.Helper()
	want := make([]byte, s.size)
	if a.number < 0 || a.number >= len(s.sent) {
		t.Fatalf("a packet of number %d", a.number)
	}
	if testbed.Fill(want, a.number); !slices.Equal(a.bytes, want) {
		t.Errorf("packet %d has changed on the way", a.number)
	}
}

// inOrder fails unless the packets are those from first on, each once and in order.
func (s *stream) inOrder(t *testing.T, list []arrival, first int) {
	t.Helper()
	for i, a := range list {
		if a.number != first+i {
			t.Fatalf("packet %d arrived where %d should", a.number, first+i)
		}
		s.whole(t, a)
	}
}

// notBefore fails if a packet has arrived less than a delay after it was sent.
func (s *stream) notBefore(t *testing.T, list []arrival, delay time.Duration) {
	t.Helper()
	for _, a := range list {
		if took := a.at.Sub(s.sent[a.number]); took < delay {
			t.Errorf("packet %d took %v, less than %v", a.number, took, delay)
		}
	}
}

// lateness logs how much later than a delay packets have arrived.
func (s *stream) lateness(t *testing.T, list []arrival, delay time.Duration) {
	t.Helper()
	var late []time.Duration
	for _, a := range list {
		late = append(late, a.at.Sub(s.sent[a.number])-delay)
	}
	slices.Sort(late)
	at := func(q int) time.Duration { return late[min(len(late)-1, len(late)*q/1000)] }
	t.Logf("beyond %v: p50 %v p90 %v p99 %v worst %v", delay, at(500), at(900), at(990), late[len(late)-1])
}

// holds waits until this many packets are held.
func (s *stream) holds(t *testing.T, packets int) api.Stats {
	t.Helper()
	for deadline := time.Now().Add(testbed.Longest); ; time.Sleep(time.Millisecond) {
		now := s.bed.Stats(t)
		if now.Held.Packets == uint64(packets) {
			return now
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d packets are held, want %d: %+v", now.Held.Packets, packets, now)
		}
	}
}

// hold sends packets that are to wait, and waits until they are held.
func (s *stream) hold(t *testing.T, count int) {
	t.Helper()
	before := int(s.bed.Stats(t).Held.Packets)
	for done := 0; done < count; done += 100 {
		s.send(t, min(100, count-done), 0)
		s.holds(t, before+min(done+100, count))
	}
}
