package relay

import (
	"log/slog"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// The relay works unless one batch takes longer than the limit.
func TestRelayWorks(t *testing.T) {
	const limit = policy.Time(900 * time.Millisecond)
	r := New(Options{Limit: time.Duration(limit)})
	for _, c := range []struct {
		since, now policy.Time
		want       bool
	}{
		{0, 1 << 40, true}, {100, 100, true}, {100, 99, true},
		{100, 99 + limit, true}, {100, 100 + limit, false}, {100, 1 << 62, false},
	} {
		r.since.Store(int64(c.since))
		if got := r.Works(c.now); got != c.want {
			t.Errorf("batch since %d, now %d: works %v, want %v", c.since, c.now, got, c.want)
		}
	}
}

// While its far port makes progress, a relay works, no matter how old its batch is. It hangs
// the limit after the last progress: the look before the one that saw it counts as its time.
func TestRelayWorksWhileThePortMoves(t *testing.T) {
	const limit, begin = policy.Time(900 * time.Millisecond), policy.Time(time.Hour)
	r, far := New(Options{Limit: time.Duration(limit)}), new(turning)
	r.SetEnd(&End{Port: far})
	r.Works(begin)
	r.since.Store(int64(begin))
	now := begin
	for range 100 {
		now += limit / 2
		far.turns++
		if !r.Works(now) {
			t.Fatalf("%v after the batch began: the port waits for room, the relay counts as hanging", now-begin)
		}
	}
	if now += limit/2 - 1; !r.Works(now) {
		t.Error("hangs before the limit")
	}
	if now++; r.Works(now) {
		t.Error("works without progress for longer than the limit")
	}
	far.turns++
	if now++; !r.Works(now) {
		t.Error("hangs although the port moves again")
	}
}

// turning is a port whose progress a test sets.
type turning struct {
	sink
	turns uint64
}

func (p *turning) Progress() uint64 { return p.turns }

// The relay allocates nothing for a frame, no matter what happens to the frame.
func TestBatchDoesNotAllocate(t *testing.T) {
	r := New(Options{Clock: func() policy.Time { return 0 }, Log: slog.New(slog.DiscardHandler)})
	p, err := policy.Parse("percent 90")
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
	allocs := testing.AllocsPerRun(200, func() {
		for i := range batch {
			copy(batch[i], fresh[i]) // Split overwrites
		}
		r.batch(batch)
	})
	if allocs != 0 {
		t.Errorf("%v allocations a batch, want 0", allocs)
	}
	if r.counters.stats().Dropped[api.DropPolicy].Packets == 0 {
		t.Error("nothing was split: the test measures too little")
	}
}

// sink is a port that accepts every frame.
type sink struct{}

func (sink) Read(policy.Time) ([]frame.Frame, error) { return nil, os.ErrClosed }
func (sink) Write(f []frame.Frame) (int, error)      { return len(f), nil }
func (sink) Wake()                                   {}
func (sink) Progress() uint64                        { return 0 }
func (sink) Close() error                            { return nil }

// tunneller is a port that counts the frames that it gets, and may carry tunnels.
type tunneller struct {
	sink
	carries bool
	frames  int
}

func (p *tunneller) CarriesTunnels() bool { return p.carries }

func (p *tunneller) Write(f []frame.Frame) (int, error) {
	p.frames += len(f)
	return len(f), nil
}

// A super-frame of a tunnel stays in one piece if the port carries it, and else is cut into
// its packets. The counters do not depend on it.
func TestTunnelsInOnePiece(t *testing.T) {
	for carries, want := range map[bool]int{true: 1, false: 7} {
		r := New(Options{Clock: func() policy.Time { return 0 }, Log: slog.New(slog.DiscardHandler)})
		r.SetPolicy(policy.Policy{}, 0, 1)
		p := &tunneller{carries: carries}
		r.SetEnd(&End{Port: p})
		r.batch([]frame.Frame{porttest.InVXLAN(porttest.SuperFrame(0, 7, 1000))})
		if got := r.counters.stats().Relayed.Packets; p.frames != want || got != 7 {
			t.Errorf("carries %v: %d frames, want %d; %d packets, want 7", carries, p.frames, want, got)
		}
	}
}

// The reasons have the names of the protocol, in the same order.
func TestReasonNames(t *testing.T) {
	got := []string{}
	for why := range reasons {
		got = append(got, why.String())
	}
	if !reflect.DeepEqual(got, api.DropReasons()) {
		t.Errorf("reasons %v, protocol has %v", got, api.DropReasons())
	}
	for why, name := range map[Reason]string{
		DropPolicy: api.DropPolicy, DropNoSlave: api.DropNoSlave, DropSlaveGone: api.DropSlaveGone,
		DropSlaveDown: api.DropSlaveDown, DropSlaveBusy: api.DropSlaveBusy, DropTooBig: api.DropTooBig,
		DropMalformed: api.DropMalformed, DropError: api.DropError,
	} {
		if why.String() != name {
			t.Errorf("reason %d is %q, want %q", why, why, name)
		}
	}
}
