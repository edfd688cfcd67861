package main

import (
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// account is what the counters say about the packets since testbed.begin.
type account struct {
	bed    *testbed
	before api.Stats
}

// stats are the counters of the run alone.
func (a account) stats(t testing.TB) api.Stats {
	t.Helper()
	now := a.bed.stats(t)
	checkCounters(t, now)
	s := api.Stats{
		Offered:  minus(now.Offered, a.before.Offered),
		Relayed:  minus(now.Relayed, a.before.Relayed),
		Overruns: now.Overruns - a.before.Overruns,
		Dropped:  make(map[string]api.Count),
	}
	for why, c := range now.Dropped {
		if c = minus(c, a.before.Dropped[why]); c != (api.Count{}) {
			s.Dropped[why] = c
		}
	}
	return s
}

func minus(a, b api.Count) api.Count {
	return api.Count{Packets: a.Packets - b.Packets, Bytes: a.Bytes - b.Bytes}
}

// await waits until count packets went by the relay or were lost in front of it.
func (a account) await(t testing.TB, count int) api.Stats {
	t.Helper()
	for deadline := time.Now().Add(longest); ; time.Sleep(100 * time.Microsecond) {
		s := a.stats(t)
		if s.Offered.Packets+s.Overruns >= uint64(count) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("sent %d packets, but the device saw %d and missed %d", count, s.Offered.Packets, s.Overruns)
		}
	}
}

// check fails unless the counters say that just count packets were offered, that
// the program judged them, and that no other fate befell any.
func (a account) check(t testing.TB, count int, program *policy.Program) {
	t.Helper()
	s := a.await(t, count)
	dropped := drops(program, uint64(count))
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

// drops is how many of the packets 0 … n-1 a program drops.
func drops(program *policy.Program, n uint64) uint64 {
	count := uint64(0)
	for seq := range n {
		if program.Decide(0, seq) != policy.Relay {
			count++
		}
	}
	return count
}
