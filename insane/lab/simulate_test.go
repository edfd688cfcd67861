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
	tx, rx imagined
	last   *imagined // that a policy was set for
	since  time.Time // when it was set
	draw   *rand.Rand

	spoilResult func(*Result)     // of what went through the device
	spoilStats  func(*wire.Stats) // of what Info answers of the last one
}

// imagined is one direction.
type imagined struct {
	policy string
	stats  wire.Stats
}

func newDevice(seed uint64) *device {
	d := &device{draw: rand.New(rand.NewPCG(seed, 0))}
	for _, way := range []*imagined{&d.tx, &d.rx} {
		way.stats.Dropped = map[string]wire.Count{wire.DropPolicy: {}, wire.DropSlaveBusy: {}}
	}
	return d
}

func (d *device) Set(_ context.Context, change wire.Change) (wire.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = time.Now()
	if change.TX != nil {
		d.last, d.tx.policy = &d.tx, *change.TX
	}
	if change.RX != nil {
		d.last, d.rx.policy = &d.rx, *change.RX
	}
	return d.state(), nil
}

func (d *device) Info(context.Context) (wire.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	info := d.state()
	switch {
	case d.spoilStats == nil:
	case d.last == &d.rx:
		d.spoilStats(&info.RX.Stats)
	default:
		d.spoilStats(&info.TX.Stats)
	}
	return info, nil
}

func (d *device) state() wire.Info {
	return wire.Info{
		Name: Link, Seed: 7,
		TX: wire.Direction{Stats: copyStats(d.tx.stats)}, RX: wire.Direction{Stats: copyStats(d.rx.stats)},
	}
}

// run imagines a probe: what the stop with the present policy asks for, unless
// the probe is the bystander's.
func (d *device) run(p Probe, _ context.Context) (*Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	way, spare := &d.tx, morgana().SpareIPv4
	if p.From.Name == morgana().Name {
		way = &d.rx
	}
	bystander := p.Address == spare || p.Source == spare
	r := newResult(p.Count)
	r.Start = d.since
	var sent sentPackets
	for i := range p.Count {
		at := time.Duration(i) * time.Second / time.Duration(p.Rate)
		sent.at = append(sent.at, at)
		if bystander || d.relays(way, at) {
			r.addArrival(uint64(i), at, at)
		}
	}
	r.addSent(sent)
	if bystander {
		return r, nil
	}
	way.book(r)
	if d.spoilResult != nil {
		d.spoilResult(r)
	}
	return r, nil
}

func (d *device) relays(way *imagined, at time.Duration) bool {
	for _, s := range stops() {
		if s.policy == way.policy && s.timed() {
			return at%(s.cycle.on+s.cycle.off) < s.cycle.on
		}
		if s.policy == way.policy {
			return d.draw.Float64() < s.chance
		}
	}
	panic("no stop has the policy " + way.policy)
}

func (i *imagined) book(r *Result) {
	i.stats.Offered.Packets += uint64(r.Sent)
	i.stats.Relayed.Packets += uint64(r.Received)
	addDropped(&i.stats, wire.DropPolicy, r.Sent-r.Received)
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
