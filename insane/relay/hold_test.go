package relay

import (
	"errors"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// holder is a relay that runs between two ports, in virtual time.
type holder struct {
	*Relay
	t         *testing.T
	near, far *porttest.Port
	began     time.Time
	ended     chan error
}

func newHolder(t *testing.T, text string, memory uint64) *holder {
	t.Helper()
	h := &holder{t: t, near: porttest.New(256, 0), far: porttest.New(4096, 0), began: time.Now(), ended: make(chan error, 1)}
	clock := func() policy.Time { return 1 + policy.Time(time.Since(h.began)) }
	h.near.Clock = clock
	h.Relay = New(Options{Clock: clock, Log: slog.New(slog.DiscardHandler), Limit: time.Second, Memory: line.NewMemory(memory, nil)})
	h.SetEnd(&End{Port: h.far})
	h.set(text)
	go func() { h.ended <- h.Run(h.near, nil) }()
	return h
}

func (h *holder) set(text string) {
	h.t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		h.t.Fatal(err)
	}
	h.SetPolicy(p, h.clock(), 1)
}

// out waits for a frame and checks when it comes and what its first packet is.
func (h *holder) out(index uint64, at time.Duration) frame.Frame {
	h.t.Helper()
	f := <-h.far.Out
	if got := porttest.Indices(f, 100)[0]; got != index || time.Since(h.began) != at {
		h.t.Fatalf("packet %d comes at %v, want %d at %v", got, time.Since(h.began), index, at)
	}
	return f
}

// balance returns the counters, which balance.
func (h *holder) balance() api.Stats {
	h.t.Helper()
	synctest.Wait()
	s := h.Direction(h.Ruleset(), "", 0).Stats
	sum, offered := s.Relayed, s.Offered
	add(&sum, s.Held)
	add(&offered, s.Copied)
	for _, c := range s.Dropped {
		add(&sum, c)
	}
	if sum != offered {
		h.t.Fatalf("offered and copied %+v, accounted for %+v", offered, sum)
	}
	return s
}

const budget = 64 << 20

// A packet that waits leaves at its time, to the nanosecond, and is counted as held until then. A change
// lets it go at once.
func TestHeldLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, "delay 10ms", budget)
		h.near.In <- porttest.SuperFrame(0, 1, 100)
		time.Sleep(3 * time.Millisecond)
		h.near.In <- porttest.SuperFrame(1, 5, 100)
		if s := h.balance(); s.Held.Packets != 6 || h.Held() != 6 {
			t.Errorf("%+v are held", s.Held)
		}
		h.out(0, 10*time.Millisecond)
		h.out(1, 13*time.Millisecond)
		if late := h.Direction(h.Ruleset(), "", 0).Late; h.balance().Held.Packets != 0 || late.Packets != 6 || late.Worst != 0 {
			t.Errorf("late: %+v", late)
		}
		h.near.In <- porttest.SuperFrame(6, 1, 100)
		synctest.Wait()
		h.set("pass")
		h.out(6, 13*time.Millisecond)
		h.near.Close()
		if err := <-h.ended; !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
}

// Packets that are held when Run ends because its port was closed leave in the next Run. Finish lets
// all go at once, in order, and ends it.
func TestHeldOutlivesThePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, "delay 10ms", budget)
		h.near.In <- porttest.SuperFrame(0, 1, 100)
		synctest.Wait()
		h.near.Close()
		<-h.ended
		next := porttest.New(16, 0)
		next.Clock = h.near.Clock
		go func() { h.ended <- h.Run(next, nil) }()
		h.out(0, 10*time.Millisecond)
		for i := range uint64(5) {
			next.In <- porttest.SuperFrame(1+i, 1, 100)
		}
		synctest.Wait()
		if !h.Finish(time.Second) {
			t.Error("does not finish")
		}
		for i := range uint64(5) {
			h.out(1+i, 10*time.Millisecond)
		}
		if err := <-h.ended; !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
		if !h.Finish(time.Second) {
			t.Error("does not finish a second time")
		}
	})
}

// A relay that waits for what is due is idle and works, for however long.
func TestHoldingWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, "delay 1h", budget)
		h.near.In <- porttest.SuperFrame(0, 1, 100)
		for range 100 {
			time.Sleep(30 * time.Second)
			if !h.Works(h.clock()) || !h.Idle() {
				t.Fatal("counts as hanging")
			}
		}
		h.out(0, time.Hour)
		h.near.Close()
		<-h.ended
	})
}

// A packet that finds no memory is neither offered nor dropped; one that does not fit the queue is dropped
// by it. Copies are beside the packets.
func TestHeldIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, "duplicate 100 copies 2 delay 1s", 4<<20)
		const sent = 100
		for i := range uint64(sent) {
			h.near.In <- porttest.SuperFrame(40*i, 40, 1400)
		}
		s := h.balance()
		if s.NoMemory == 0 || s.Held.Packets == 0 || s.Held.Packets+s.NoMemory != 3*40*sent || s.Offered.Packets > 40*sent {
			t.Errorf("%d without memory, %+v held, %+v offered, %+v copied", s.NoMemory, s.Held, s.Offered, s.Copied)
		}
		h.set("rate 1mbit queue 10")
		synctest.Wait()
		for len(h.far.Out) > 0 {
			<-h.far.Out
		}
		time.Sleep(time.Hour)
		before := h.balance()
		h.near.In <- porttest.SuperFrame(0, 40, 100)
		s = h.balance()
		if lost := s.Stages["queue"].Packets - before.Stages["queue"].Packets; lost != 29 || s.Held.Packets != 11 {
			t.Errorf("the queue dropped %d, %d are held; want 29 and 11", lost, s.Held.Packets)
		}
		h.near.Close()
		<-h.ended
	})
}

// Packets that wait, or are copied or damaged, cost no allocation once the relay is warm.
func TestHoldDoesNotAllocate(t *testing.T) {
	for _, text := range []string{
		"delay 1ms", "percent 90 delay 1ms jitter 1ms", "delay 1ms jitter 1ms normal reordering", "slot 1ms 2ms packets 500",
		"rate 10gbit", "rate 100mbit queue 20 mark 1ms delay 1ms", "percent 90 ecn delay 1ms",
		"corrupt 10", "duplicate 10 corrupt 10 delay 1ms", "reorder 5",
	} {
		now := policy.Time(1)
		r := New(Options{Clock: func() policy.Time { return now }, Log: slog.New(slog.DiscardHandler), Memory: line.NewMemory(budget, nil)})
		p, err := policy.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		r.SetPolicy(p, 0, 1)
		r.SetEnd(&End{Port: sink{}})
		batch := []frame.Frame{porttest.SuperFrame(0, 45, 1400), porttest.SuperFrame(0, 1, 64), porttest.SuperFrame(0, 300, 40)}
		fresh := make([]frame.Frame, len(batch))
		for i := range batch {
			fresh[i] = batch[i].Clone()
		}
		round := func() {
			for i := range batch {
				copy(batch[i], fresh[i])
			}
			r.batch(batch)
			now += 10_000_000
			r.release()
		}
		for range 300 {
			round()
		}
		if allocs := testing.AllocsPerRun(300, round); allocs != 0 {
			t.Errorf("%s: %v allocations a batch, want 0", text, allocs)
		}
	}
}

// The quantiles are right to an eighth, and never above the worst.
func TestHistogram(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(policy.Time(1000*(i+1)), 1)
	}
	l := h.read()
	if l.Packets != 1000 || l.Worst != 1_000_000 || l.Sum != 500_500_000 {
		t.Errorf("%+v", l)
	}
	for _, q := range []struct{ got, want uint64 }{{l.P50, 500_000}, {l.P99, 990_000}} {
		if q.got < q.want || q.got > q.want+q.want/8 {
			t.Errorf("a quantile is %d, want %d to an eighth", q.got, q.want)
		}
	}
	for _, v := range []uint64{0, 1, 7, 8, 15, 16, 17, 1 << 20, 1<<40 + 12345, 1<<64 - 1} {
		i := bucketOf(v)
		if i >= buckets || endOf(i) < v || i > 0 && endOf(i-1) >= v {
			t.Errorf("%d is in bucket %d, which ends with %d", v, i, endOf(i))
		}
	}
}
