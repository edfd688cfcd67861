package lab

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-39a139a1/insane/insanely/wire"
)

// device is a stand-in for a daemon and the probe's way through it: it keeps
// flawless books of packets it has only imagined. Tests spoil what it says.
type device struct {
	mu     sync.Mutex
	policy string
	since  time.Time // when policy was set
	stats  wire.Stats
	draw   *rand.Rand

	spoilResult func(*Result)     // of what went through the device
	spoilStats  func(*wire.Stats) // of what Info answers
}

func newDevice(seed uint64) *device {
	return &device{
		draw:  rand.New(rand.NewPCG(seed, 0)),
		stats: wire.Stats{Dropped: map[string]wire.Count{wire.DropPolicy: {}, wire.DropSlaveBusy: {}}},
	}
}

func (d *device) Set(_ context.Context, change wire.Change) (wire.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.policy, d.since = *change.TX, time.Now()
	return wire.Info{Name: Link, TX: wire.Direction{Stats: copyStats(d.stats)}}, nil
}

func (d *device) Info(context.Context) (wire.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	stats := copyStats(d.stats)
	if d.spoilStats != nil {
		d.spoilStats(&stats)
	}
	return wire.Info{Name: Link, Seed: 7, TX: wire.Direction{Stats: stats}}, nil
}

// run imagines a probe: what the stop with the present policy asks for, unless
// the probe is the bystander's.
func (d *device) run(p Probe, _ context.Context) (*Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	bystander := p.Address == morgana().SpareIPv4
	r := newResult(p.Count)
	r.Start = d.since
	var sent sentPackets
	for i := range p.Count {
		at := time.Duration(i) * time.Second / time.Duration(p.Rate)
		sent.at = append(sent.at, at)
		if bystander || d.relays(at) {
			r.addArrival(uint64(i), at)
		}
	}
	r.addSent(sent)
	if bystander {
		return r, nil
	}
	d.book(r)
	if d.spoilResult != nil {
		d.spoilResult(r)
	}
	return r, nil
}

func (d *device) relays(at time.Duration) bool {
	for _, s := range stops() {
		if s.policy == d.policy && s.timed() {
			return at%(s.cycle.on+s.cycle.off) < s.cycle.on
		}
		if s.policy == d.policy {
			return d.draw.Float64() < s.chance
		}
	}
	panic("no stop has the policy " + d.policy)
}

func (d *device) book(r *Result) {
	d.stats.Offered.Packets += uint64(r.Sent)
	d.stats.Relayed.Packets += uint64(r.Received)
	addDropped(&d.stats, wire.DropPolicy, r.Sent-r.Received)
}

func addDropped(s *wire.Stats, reason string, n int) {
	count := s.Dropped[reason]
	count.Packets += uint64(n)
	s.Dropped[reason] = count
}

func copyStats(s wire.Stats) wire.Stats {
	dropped := make(map[string]wire.Count)
	for reason, count := range s.Dropped {
		dropped[reason] = count
	}
	s.Dropped = dropped
	return s
}
