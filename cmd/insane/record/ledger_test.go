package record

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// book is a recording in memory.
type book struct {
	from *insanely.Recording
	done sync.WaitGroup

	mu       sync.Mutex
	entries  []ledger.Entry // of one direction
	programs map[uint32]*ledger.Program
	missed   uint64
	err      error
}

// record records one direction until the test ends.
func record(t *testing.T, d *lab.Daemon, direction policy.Direction, f ledger.Filter) *book {
	t.Helper()
	from, err := d.Client.Record(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	b := &book{from: from, programs: make(map[uint32]*ledger.Program)}
	b.done.Go(func() {
		for b.take(direction) {
		}
	})
	t.Cleanup(b.end)
	return b
}

// end ends the recording.
func (b *book) end() {
	b.from.Close()
	b.done.Wait()
}

// has waits until the recording has so many entries.
func (b *book) has(t *testing.T, entries int) {
	t.Helper()
	labtest.Await(t, "entries", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.entries) >= entries
	})
}

// take takes what comes next. It returns false at the end.
func (b *book) take(d policy.Direction) bool {
	next, err := b.from.Next()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.err = err
		return false
	}
	switch v := next.(type) {
	case *ledger.Entry:
		if v.Direction == d {
			e := *v
			e.Bytes = bytes.Clone(v.Bytes)
			b.entries = append(b.entries, e)
		}
	case *ledger.Program:
		if v.Direction == d {
			b.programs[v.ID] = v
		}
	case *ledger.Missed:
		b.missed += v.Entries
	}
	return true
}

// sums are what entries come to, in the form of the counters.
type sums struct {
	Offered, Relayed, Neighbour, Copied, Damaged, Reordered api.Count
	NoMemory                                                uint64
	Dropped, Stages, Marked                                 map[string]api.Count
}

// sumsOf takes what the sums have from counters.
func sumsOf(s api.Stats) sums {
	return sums{
		Offered: s.Offered, Relayed: s.Relayed, Neighbour: s.Neighbour, Copied: s.Copied, Damaged: s.Damaged, Reordered: s.Reordered,
		NoMemory: s.NoMemory, Dropped: s.Dropped, Stages: s.Stages, Marked: s.Marked,
	}
}

// since is the difference of two sums, without what is 0.
func (s sums) since(before sums) sums {
	minus := func(a, b map[string]api.Count) map[string]api.Count {
		out := make(map[string]api.Count)
		for name, c := range a {
			if c = testbed.Minus(c, b[name]); c != (api.Count{}) {
				out[name] = c
			}
		}
		return out
	}
	return sums{
		Offered: testbed.Minus(s.Offered, before.Offered), Relayed: testbed.Minus(s.Relayed, before.Relayed),
		Neighbour: testbed.Minus(s.Neighbour, before.Neighbour), Copied: testbed.Minus(s.Copied, before.Copied),
		Damaged: testbed.Minus(s.Damaged, before.Damaged), Reordered: testbed.Minus(s.Reordered, before.Reordered),
		NoMemory: s.NoMemory - before.NoMemory, Dropped: minus(s.Dropped, before.Dropped),
		Stages: minus(s.Stages, before.Stages), Marked: minus(s.Marked, before.Marked),
	}
}

// sums sums up the entries of the packets of a rule; all: of every rule.
func (b *book) sums(rule string, all bool) sums {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := sums{Dropped: make(map[string]api.Count), Stages: make(map[string]api.Count), Marked: make(map[string]api.Count)}
	add := func(to *api.Count, e *ledger.Entry) { to.Packets, to.Bytes = to.Packets+1, to.Bytes+uint64(e.Length) }
	addTo := func(m map[string]api.Count, name string, e *ledger.Entry) {
		c := m[name]
		add(&c, e)
		m[name] = c
	}
	for i := range b.entries {
		e := &b.entries[i]
		if !all && e.Rule != rule {
			continue
		}
		v := e.Verdict
		switch {
		case e.Kind == ledger.Arrived && e.Neighbour && e.Why == "", e.Kind == ledger.Refused && e.Why == ledger.WhyMemory:
		case e.Kind == ledger.Arrived:
			add(&s.Offered, e)
		case e.Ordinal > 0:
			add(&s.Copied, e)
		}
		switch {
		case e.Kind == ledger.Left && e.Neighbour:
			add(&s.Neighbour, e)
		case e.Kind == ledger.Left:
			add(&s.Relayed, e)
		case v.Lost():
			addTo(s.Dropped, api.DropPolicy, e)
			addTo(s.Stages, v.By.String(), e)
		case e.Why == ledger.WhyQueue:
			addTo(s.Dropped, api.DropPolicy, e)
			addTo(s.Stages, policy.ByQueue.String(), e)
		case e.Why != "" && e.Why != ledger.WhyMemory:
			addTo(s.Dropped, e.Why, e)
		}
		if v.Mark {
			addTo(s.Marked, v.By.String(), e)
		}
		if e.Marked {
			addTo(s.Marked, policy.ByQueue.String(), e)
		}
		b.addChanges(&s, e, add)
	}
	return s
}

// addChanges adds what was damaged and reordered. Of a copy, its parent's program says so.
func (b *book) addChanges(s *sums, e *ledger.Entry, add func(*api.Count, *ledger.Entry)) {
	if e.Kind != ledger.Arrived || e.Program == 0 {
		return
	}
	compiled := new(policy.Program)
	if e.Verdict.Lost() {
		return
	}
	if e.Verdict.Copies > 0 {
		*compiled, _ = b.programs[e.Program].Compile()
	}
	for ordinal := range e.Verdict.Copies + 1 {
		v := e.Verdict
		if ordinal > 0 {
			v = compiled.Copy(e.Judged, e.Number, ordinal)
		}
		if v.Flips > 0 {
			add(&s.Damaged, e)
		}
		if v.Behind > 0 {
			add(&s.Reordered, e)
		}
	}
}

// match waits until the entries sum up to what was counted since before, and fails if they do not.
func (b *book) match(t *testing.T, rule string, all bool, counted func() sums) {
	t.Helper()
	var want, got sums
	for deadline := time.Now().Add(testbed.Longest); ; time.Sleep(5 * time.Millisecond) {
		want, got = counted(), b.sums(rule, all)
		if cmp.Equal(want, got) || time.Now().After(deadline) {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rule %q: counted (-), recorded (+):\n%s", rule, diff)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missed != 0 || b.err != nil {
		t.Errorf("%d entries are missing, %v", b.missed, b.err)
	}
}

// verdicts fails unless each verdict is that of the program that the recording names.
func (b *book) verdicts(t *testing.T) (judged int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	compiled, memos := make(map[uint32]*policy.Program), make(map[uint32]*policy.Memo)
	for id, p := range b.programs {
		c, err := p.Compile()
		if err != nil {
			t.Fatal(err)
		}
		compiled[id], memos[id] = &c, new(policy.Memo)
	}
	for _, e := range b.entries {
		if e.Kind != ledger.Arrived || e.Program == 0 {
			continue
		}
		judged++
		want := compiled[e.Program].DecideWith(memos[e.Program], e.Judged, e.Number)
		if want != e.Verdict && want.Settle(false) != e.Verdict {
			t.Fatalf("packet %d: the verdict is %v, the program says %v", e.Number, e.Verdict, want)
		}
	}
	return judged
}

// once fails unless each packet has come once, and left, was lost or refused once, as often as its
// verdict says. Nothing must be held.
func (b *book) once(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	came, went := make(map[uint64]ledger.Entry), make(map[uint64]int)
	for _, e := range b.entries {
		if e.Kind != ledger.Arrived {
			went[e.ID()]++
			continue
		}
		if _, twice := came[e.ID()]; twice {
			t.Fatalf("%v %d has come twice", e.Direction, e.Number)
		}
		came[e.ID()] = e
	}
	for id, e := range came {
		want := 1
		if e.Lost() {
			want = 0
		}
		if went[id] != want {
			t.Fatalf("packet %d went %d times, its verdict is %v, %s", e.Number, went[id], e.Verdict, e.Why)
		}
		delete(went, id)
		for i := range e.Verdict.Copies {
			copied := e
			copied.Ordinal = i + 1
			if went[copied.ID()] != 1 {
				t.Fatalf("copy %d of packet %d went %d times", i+1, e.Number, went[copied.ID()])
			}
			delete(went, copied.ID())
		}
	}
	if len(went) > 0 {
		t.Fatalf("%d packets went that have not come: %v", len(went), slices.Sorted(maps.Keys(went))[:1])
	}
}
