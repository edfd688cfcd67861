package hold

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
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

	arrivals *testbed.Stamped
}

// newStream opens the sockets. The kernel stamps what arrives.
func newStream(t *testing.T, b *testbed.Bed, size int) *stream {
	t.Helper()
	s := &stream{Flow: b.NewFlow(t, 4), bed: b, size: size}
	s.arrivals = testbed.StampArrivals(t, s.In)
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

// flow sends packets in bursts, about a millisecond apart, for as long as more says so, and
// receives them meanwhile, so that no more than so many are under way. Then it receives the rest.
// It returns those that arrived and how many were lost before they reached the relay, or because
// the cable had no room for them.
func (s *stream) flow(t *testing.T, burst, underWay int, more func() bool) (list []arrival, lost int) {
	t.Helper()
	overruns := func() int {
		now := s.bed.Stats(t)
		return int(now.Overruns + now.Dropped[api.DropSlaveBusy].Packets)
	}
	first, before := len(s.sent), overruns()
	await := func(most int) {
		for since := time.Now(); len(s.sent)-first-len(list)-lost > most; {
			if a, ok := s.next(t, 500*time.Millisecond); ok {
				list, since = append(list, a), time.Now()
				continue
			}
			lost = overruns() - before
			if time.Since(since) > testbed.Longest {
				t.Fatalf("of %d packets %d have arrived, %d were lost on the way: %+v", len(s.sent)-first, len(list), lost, s.bed.Stats(t))
			}
		}
	}
	for more() {
		s.send(t, burst, 0)
		time.Sleep(time.Millisecond)
		await(underWay)
	}
	await(0)
	return list, lost
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
	payload, stamp, err := s.arrivals.Next(patience)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return a, false
	}
	if err != nil {
		t.Fatal(err)
	}
	if stamp.At.IsZero() {
		t.Fatal("a packet without a time stamp")
	}
	return arrival{number: testbed.NumberOf(payload), at: stamp.At, bytes: slices.Clone(payload), tos: stamp.TOS}, true
}

// counts fails unless a counter of packets becomes exactly want. A packet reaches the receiver a
// moment before the batch that it was in is counted, so counts waits for that.
func counts(t *testing.T, b *testbed.Bed, what string, want int, of func(api.Stats) uint64) {
	t.Helper()
	now := func() int { return int(of(b.Stats(t))) }
	labtest.Await(t, fmt.Sprintf("%d packets to be counted as %s", want, what), func() bool { return now() >= want })
	if got := now(); got != want {
		t.Errorf("%d packets counted as %s, want %d", got, what, want)
	}
}
