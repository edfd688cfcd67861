package relay

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// newRelay makes a relay with a policy. Its frames come out of the port.
func newRelay(t *testing.T, text string) (*Relay, *porttest.Port) {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	r := New(Options{Clock: func() policy.Time { return 0 }, Log: slog.New(slog.DiscardHandler)})
	far := porttest.New(64, 0)
	r.SetPolicy(p, 0, 1)
	r.SetEnd(&End{Port: far})
	return r, far
}

// arp is a frame of ARP; its bytes are not those of a packet of porttest.
func arp() frame.Frame {
	f := porttest.SuperFrame(0, 1, 18)
	copy(f[frame.HeaderLen+12:], "\x08\x06")
	return f
}

// ask sends ARP between the packets of a run, and returns how many frames came out and the
// counters. They must balance.
func ask(t *testing.T, r *Relay, far *porttest.Port) (out int, s api.Stats) {
	t.Helper()
	for i := range uint64(20) {
		r.batch([]frame.Frame{porttest.SuperFrame(i, 1, 18), arp()})
	}
	for len(far.Out) > 0 {
		<-far.Out
		out++
	}
	s = r.Direction(r.Ruleset(), "", 0).Stats
	sum := s.Relayed
	for _, c := range s.Dropped {
		add(&sum, c)
	}
	if sum != s.Offered {
		t.Errorf("offered %+v, accounted for %+v", s.Offered, sum)
	}
	return out, s
}

// verdicts returns the counts of the present ruleset.
func verdicts(r *Relay) api.Verdicts {
	v, _ := r.counters.done(r.Ruleset().Rule, 0)
	return v
}

// Messages of neighbours take no number and no verdict, and count apart, unless they are to
// be judged.
func TestNeighboursAreSpared(t *testing.T) {
	const bytes = uint64(porttest.HeaderLen + 18)
	r, far := newRelay(t, "every 2")
	out, s := ask(t, r, far)
	want := api.Count{Packets: 20, Bytes: 20 * bytes}
	if out != 30 || s.Offered != want || s.Relayed.Packets != 10 || s.Neighbour != want || r.next.peek() != 20 {
		t.Errorf("%d came out, %d numbers: %+v", out, r.next.peek(), s)
	}
	if v := verdicts(r); v != (api.Verdicts{Relay: 10, Drop: 10}) {
		t.Errorf("verdicts %+v", v)
	}
	r.JudgeNeighbours(true)
	if out, s = ask(t, r, far); out != 20 || s.Offered.Packets != 60 || s.Neighbour != want || r.next.peek() != 60 {
		t.Errorf("judged: %d came out, %d numbers: %+v", out, r.next.peek(), s)
	}
	if v := verdicts(r); v != (api.Verdicts{Relay: 20, Drop: 20}) {
		t.Errorf("judged: verdicts %+v", v)
	}
	p, err := policy.Parse("percent 0")
	if err != nil {
		t.Fatal(err)
	}
	r.SetPolicy(p, 0, 1) // they are still judged
	if out, _ = ask(t, r, far); out != 0 {
		t.Errorf("%d came out of percent 0", out)
	}
	r.JudgeNeighbours(false)
	if out, s = ask(t, r, far); out != 20 || s.Neighbour.Packets != 40 || r.next.peek() != 120 {
		t.Errorf("spared again: %d came out, %d numbers: %+v", out, r.next.peek(), s)
	}
}

// A message of neighbours that cannot be relayed counts as offered and as dropped, for the
// reason of any other packet; it takes no number all the same.
func TestNeighboursThatAreLost(t *testing.T) {
	gone := &End{Why: DropSlaveGone}
	for _, c := range []struct {
		why    Reason
		end    func(far *porttest.Port) *End
		refuse error // of the port
	}{
		{DropSlaveGone, func(*porttest.Port) *End { return gone }, nil},
		{DropTooBig, func(far *porttest.Port) *End { return &End{Port: far, MTU: 10} }, nil},
		{DropError, func(far *porttest.Port) *End { return &End{Port: far} }, errors.New("refused")},
	} {
		r, far := newRelay(t, "pass")
		r.SetEnd(c.end(far))
		if c.refuse != nil {
			far.Fail(func(frame.Frame) error { return c.refuse })
		}
		_, s := ask(t, r, far)
		if s.Offered.Packets != 40 || s.Dropped[c.why.String()] != s.Offered || s.Neighbour.Packets != 0 || r.next.peek() != 20 {
			t.Errorf("%v: %d numbers, %+v", c.why, r.next.peek(), s)
		}
	}
}
