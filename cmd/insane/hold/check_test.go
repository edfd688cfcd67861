package hold

import (
	"slices"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// whole fails unless a packet is what was sent.
func (s *stream) whole(t *testing.T, a arrival) {
	t.Helper()
	if a.number < 0 || a.number >= len(s.sent) {
		t.Fatalf("a packet of number %d", a.number)
	}
	if !s.sentAs(a.bytes, a.number) {
		t.Errorf("packet %d has changed on the way", a.number)
	}
}

// sentAs reports whether a payload is that of the packet of a number.
func (s *stream) sentAs(payload []byte, number int) bool {
	want := make([]byte, s.size)
	testbed.Fill(want, number)
	return slices.Equal(payload, want)
}

// arrive receives packets, which must be those from first on, in order, none of them before its
// delay.
func (s *stream) arrive(t *testing.T, first, count int, delay time.Duration) []arrival {
	t.Helper()
	list := s.receive(t, count)
	s.inOrder(t, list, first)
	s.notBefore(t, list, delay)
	return list
}

// silent fails if one more packet arrives.
func (s *stream) silent(t *testing.T) {
	t.Helper()
	if more := s.rest(t, 50*time.Millisecond); len(more) > 0 {
		t.Errorf("%d packets too many, number %d first", len(more), more[0].number)
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

// ascending fails unless the packets came in order, each once; some may be missing.
func (s *stream) ascending(t *testing.T, list []arrival) {
	t.Helper()
	for i, a := range list {
		s.whole(t, a)
		if i > 0 && a.number <= list[i-1].number {
			t.Fatalf("packet %d came behind %d", a.number, list[i-1].number)
		}
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

// lateness is how much later than a delay packets have arrived, in order of size.
func (s *stream) lateness(list []arrival, delay time.Duration) (late []time.Duration) {
	for _, a := range list {
		late = append(late, a.at.Sub(s.sent[a.number])-delay)
	}
	slices.Sort(late)
	return late
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
