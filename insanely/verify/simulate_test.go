package verify

import (
	"cmp"
	"slices"
	"testing"

	"github.com/seed-39a139a1/insane/policy"
)

// simulated is what a witness would see of a device that has another policy than it says.
type simulated struct {
	program policy.Program
	memo    policy.Memo
	gap     int64 // ns between two packets
	free    int64 // when the link is free, and the rest of a nanosecond
	rest    uint64
	queue   uint64
	waiting []waiter
	order   []int
}

// waiter is a packet that leaves behind later ones.
type waiter struct {
	index  int
	behind uint32
}

// simulate makes the trace of so many packets, whose verdicts are those of the engine.
func simulate(t testing.TB, text string, n int, seed uint64, gap int64) Seen {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	s := &simulated{program: p.Compile(1, seed), gap: gap}
	trace := make([]Packet, n)
	for i := range trace {
		s.pass(trace, i)
	}
	for _, w := range s.waiting {
		s.order = append(s.order, w.index)
	}
	if !s.program.Reorders() {
		for rank, i := range s.order {
			trace[i].Rank = uint32(rank)
			if rank > 0 {
				trace[i].Left = max(trace[i].Left, trace[s.order[rank-1]].Left)
			}
		}
		return Seen{Trace: trace, Queue: s.queue}
	}
	slices.SortStableFunc(s.order, func(a, b int) int { return cmp.Compare(trace[a].Left, trace[b].Left) })
	for rank, i := range s.order {
		trace[i].Rank = uint32(rank)
	}
	return Seen{Trace: trace, Queue: s.queue}
}

// pass decides about packet i.
func (s *simulated) pass(trace []Packet, i int) {
	p := &trace[i]
	*p = Packet{At: int64(i+1) * s.gap, Bytes: 1000, Capable: i%2 == 0, Flow: uint32(i % 3)}
	v := s.program.DecideWith(&s.memo, policy.Time(p.At), uint64(i)).Settle(p.Capable)
	if v.Lost() || !s.link(p) {
		return
	}
	p.Out, p.Marked = uint16(1+v.Copies), v.Mark
	if v.Flips > 0 {
		p.Damaged++
	}
	for c := uint32(1); c <= v.Copies; c++ {
		if s.program.Copy(policy.Time(p.At), uint64(i), c).Flips > 0 {
			p.Damaged++
		}
	}
	p.Left = max(p.Left, p.At) + int64(v.Delay)
	if v.Behind > 0 {
		s.waiting = append(s.waiting, waiter{i, v.Behind})
		return
	}
	s.order = append(s.order, i)
	s.count()
}

// count lets those go behind whom enough packets have left.
func (s *simulated) count() {
	kept := s.waiting[:0]
	for _, w := range s.waiting {
		if w.behind--; w.behind > 0 {
			kept = append(kept, w)
		} else {
			s.order = append(s.order, w.index)
		}
	}
	s.waiting = kept
}

// link carries a packet over the link, if its queue is not full.
func (s *simulated) link(p *Packet) bool {
	if s.program.RateBits == 0 {
		return true
	}
	begin := max(s.free, p.At)
	if begin-p.At > int64(s.program.QueueTime) {
		s.queue++
		return false
	}
	var took policy.Time
	took, s.rest = s.program.LinkTime(uint64(p.Bytes), s.rest)
	s.free = begin + int64(took)
	p.Left = s.free
	return true
}
