package testbed

import (
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Account compares the counters with their values when Begin set the policy.
type Account struct {
	Bed    *Bed
	Before api.Stats
}

// Stats returns the counters of this run only.
func (a Account) Stats(t testing.TB) api.Stats {
	t.Helper()
	now := a.Bed.Stats(t)
	labtest.CheckCounters(t, now)
	s := api.Stats{
		Offered:   Minus(now.Offered, a.Before.Offered),
		Relayed:   Minus(now.Relayed, a.Before.Relayed),
		Neighbour: Minus(now.Neighbour, a.Before.Neighbour),
		Copied:    Minus(now.Copied, a.Before.Copied),
		NoMemory:  now.NoMemory - a.Before.NoMemory,
		Overruns:  now.Overruns - a.Before.Overruns,
		Dropped:   make(map[string]api.Count),
	}
	for why, c := range now.Dropped {
		if c = Minus(c, a.Before.Dropped[why]); c != (api.Count{}) {
			s.Dropped[why] = c
		}
	}
	return s
}

// Minus returns the difference of two readings.
func Minus(a, b api.Count) api.Count {
	return api.Count{Packets: a.Packets - b.Packets, Bytes: a.Bytes - b.Bytes}
}

// Await waits until count packets were relayed, or lost before they reached the relay.
func (a Account) Await(t testing.TB, count int) api.Stats {
	t.Helper()
	for deadline := time.Now().Add(Longest); ; time.Sleep(100 * time.Microsecond) {
		s := a.Stats(t)
		if s.Offered.Packets+s.Overruns >= uint64(count) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("sent %d packets, but the device saw %d and missed %d", count, s.Offered.Packets, s.Overruns)
		}
	}
}

// Settle is Await, and waits until nothing is held.
func (a Account) Settle(t testing.TB, count int) api.Stats {
	t.Helper()
	a.Await(t, count)
	labtest.Await(t, "what is held to leave", func() bool { return a.Bed.Stats(t).Held.Packets == 0 })
	return a.Stats(t)
}

// Check fails unless the counters say that exactly count packets were offered, that the
// program judged them, and that none was dropped for another reason.
func (a Account) Check(t testing.TB, count int, program *policy.Program) {
	t.Helper()
	s := a.Settle(t, count)
	dropped := Drops(program, uint64(count))
	if s.Overruns != 0 {
		t.Errorf("%d overruns", s.Overruns)
	}
	if s.Offered.Packets != uint64(count) {
		t.Errorf("%d packets were sent, %d offered", count, s.Offered.Packets)
	}
	if got := s.Dropped[api.DropPolicy].Packets; got != dropped {
		t.Errorf("policy dropped %d packets, the engine says %d", got, dropped)
	}
	delete(s.Dropped, api.DropPolicy)
	if len(s.Dropped) != 0 {
		t.Errorf("packets were dropped for other reasons: %v", s.Dropped)
	}
	if want := uint64(count) - dropped; s.Relayed.Packets != want {
		t.Errorf("relayed %d packets, the engine says %d", s.Relayed.Packets, want)
	}
}

// Drops returns how many of the packets 0 … n-1 a program drops.
func Drops(program *policy.Program, n uint64) uint64 {
	count := uint64(0)
	for seq := range n {
		if program.Decide(0, seq).Lost() {
			count++
		}
	}
	return count
}
