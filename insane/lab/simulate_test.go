package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// device simulates a daemon and the probe's way through it. It keeps correct counters of
// packets that it only simulates. Tests change its answers.
type device struct {
	mu     sync.Mutex
	tx, rx imagined
	last   *imagined // that a policy was set for
	since  time.Time // when it was set
	draw   *rand.Rand

	spoilResult func(*probe.Result) // of what went through the device
	spoilStats  func(*api.Stats)    // of what Info answers of the last one
}

// never stands for the time of an event that did not happen.
const never = time.Duration(-1)

// imagined is one simulated direction.
type imagined struct {
	policy string
	stats  api.Stats
}

func newDevice(seed uint64) *device {
	d := &device{draw: rand.New(rand.NewPCG(seed, 0))}
	for _, way := range []*imagined{&d.tx, &d.rx} {
		way.stats.Dropped = map[string]api.Count{api.DropPolicy: {}, api.DropSlaveBusy: {}}
	}
	return d
}

func (d *device) Set(_ context.Context, change api.Change) (api.Info, error) {
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

func (d *device) Info(context.Context) (api.Info, error) {
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

func (d *device) state() api.Info {
	return api.Info{
		Name: api.DefaultName, Seed: 7,
		TX: api.Direction{Stats: copyStats(d.tx.stats)}, RX: api.Direction{Stats: copyStats(d.rx.stats)},
	}
}

// run simulates a probe: with the present policy of the stop, unless the probe is the
// bystander's.
func (d *device) run(p probe.Probe, _ context.Context) (*probe.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	way, spare := &d.tx, morgana().SpareIPv4
	if p.From.(*Host).Name == morgana().Name {
		way = &d.rx
	}
	bystander := p.Address == spare || p.Source == spare
	r := &probe.Result{Start: d.since, Sent: p.Count}
	var through expectation
	if !bystander {
		through = expected(way.policy)
	}
	if arrives := map[*imagined]string{&d.tx: Link, &d.rx: api.DefaultName}[way]; p.Witness != "" && p.Witness != arrives {
		return nil, fmt.Errorf("the packets arrive at %s and not at %s", arrives, p.Witness)
	}
	for i := range p.Count {
		at := time.Duration(i) * time.Second / time.Duration(p.Rate)
		r.SentAt, r.ReceivedAt, r.ReadAt = append(r.SentAt, at), append(r.ReceivedAt, never), append(r.ReadAt, never)
		if leaves := d.leaves(through, at, r); leaves >= 0 {
			r.ReceivedAt[i], r.ReadAt[i] = leaves, leaves
			r.Received++
		}
	}
	if bystander {
		return r, nil
	}
	if p.Witness == "" {
		r.Damage = probe.Damage{}
	}
	way.book(r, through)
	if d.spoilResult != nil {
		d.spoilResult(r)
	}
	return r, nil
}

// expected returns what a policy of the tour is expected to do.
func expected(policy string) expectation {
	for _, s := range stops() {
		if s.policy == policy {
			return s.expect
		}
	}
	panic("no stop has the policy " + policy)
}

// leaves returns when a packet that is sent at some time arrives; never if it does not. It
// notes in the result what the receiver refuses.
func (d *device) leaves(through expectation, at time.Duration, r *probe.Result) time.Duration {
	switch through := through.(type) {
	case chance:
		if d.draw.Float64() >= float64(through) {
			return never
		}
	case cycle:
		if at%(through.on+through.off) >= through.on {
			return never
		}
	case delay:
		return at + time.Duration(through)
	case link:
		return d.queue(through, at, r)
	case damage:
		r.Damage.Seen++
		if d.draw.Float64() < float64(through) {
			r.Damage.Packets++
			r.Damage.Bits++
			r.Rejected++
			return never
		}
	}
	return at
}

// queue returns when a packet has left a link.
func (d *device) queue(l link, at time.Duration, r *probe.Result) time.Duration {
	free := at // when the link has carried all those before it
	for _, t := range r.ReceivedAt {
		free = max(free, t)
	}
	if free-at > l.queue {
		return never
	}
	return free + time.Duration(l.bits()/l.rate*float64(time.Second))
}

func (i *imagined) book(r *probe.Result, through expectation) {
	lost := r.Sent - r.Received - r.Rejected
	i.stats.Offered.Packets += uint64(r.Sent)
	i.stats.Relayed.Packets += uint64(r.Sent - lost)
	i.stats.Damaged.Packets += uint64(r.Damage.Packets)
	addDropped(&i.stats, api.DropPolicy, lost)
	if _, ok := through.(link); ok {
		i.stats.Stages = map[string]api.Count{queueStage: {Packets: i.stats.Stages[queueStage].Packets + uint64(lost)}}
	}
}

func addDropped(s *api.Stats, reason string, n int) {
	count := s.Dropped[reason]
	count.Packets += uint64(n)
	s.Dropped[reason] = count
}

func copyStats(s api.Stats) api.Stats {
	dropped := make(map[string]api.Count)
	for reason, count := range s.Dropped {
		dropped[reason] = count
	}
	s.Dropped = dropped
	return s
}
