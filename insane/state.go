package insane

import (
	"sync"

	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// shown is what a device tells of itself without asking anybody. A change
// publishes a new one, so that an answer never waits for a change, nor for the
// kernel that the change is waiting for.
type shown struct {
	slave, slaveState string
	receive           string
	takes             api.Takes
	seed              uint64
	tx, rx            *rule
	txRelay, rxRelay  string      // why the relay carries everything; "": it does not
	end               *end        // where tx goes in this state
	port              *port.Slave // nil if the link is gone
}

// publish makes the present state the one that State shows. The caller holds d.mu.
func (d *Device) publish() {
	s := &shown{
		slaveState: api.SlaveNone, receive: api.ReceiveNone, takes: (&receiving{}).takes(),
		seed: d.seed, tx: d.tx.rule.Load(), rx: d.rx.rule.Load(), end: d.tx.to.Load(),
	}
	if h := d.host; h != nil {
		s.slave, s.slaveState = h.slave.name, h.slave.state()
		s.receive, s.takes = h.receive.mode, h.receive.takes()
		s.end, s.port = h.slave.end(), h.slave.port
		s.txRelay, s.rxRelay = h.path.reasons()
	}
	d.shown.Store(s)
}

// State is the device as it is now. During a change it is what was before.
func (d *Device) State() api.Info {
	s := d.shown.Load()
	info := api.Info{
		Name: d.name, Slave: s.slave, SlaveState: s.slaveState,
		Receive: s.receive, Takes: s.takes, Seed: s.seed,
	}
	var tx, rx uint64
	if d.host != nil {
		link := d.settle()
		// The carrier is the slave's, unless the interface itself is down.
		info.Carrier, info.MTU = link.Up && s.slaveState == api.SlaveUp, link.MTU
		tx, rx = d.host.lost.overruns(d)
	}
	info.TX, info.RX = d.tx.direction(s.tx, s.txRelay), d.rx.direction(s.rx, s.rxRelay)
	info.Path, info.PathReason = api.Slowest(info)
	info.TX.Stats.Overruns, info.RX.Stats.Overruns = tx, rx
	return info
}

// direction is a relay with a rule of its, and why it carries everything.
func (r *relay) direction(ru *rule, why string) api.Direction {
	d := api.Direction{
		Policy: ru.policy.String(), Verdicts: r.counters.verdicts(ru), Stats: r.counters.stats(),
		Path: api.PathRelay, PathReason: why,
	}
	if r.lane == nil {
		return d
	}
	if why == "" {
		d.Path = api.PathKernel
	}
	kernel, here := r.lane.Counts(), r.lane.CountsOf(ru)
	relayed := api.Count{Packets: kernel.RelayedPackets, Bytes: kernel.RelayedBytes}
	add(&d.Stats.Offered, relayed)
	add(&d.Stats.Relayed, relayed)
	for why, c := range map[string]api.Count{
		api.DropPolicy:    {Packets: kernel.DroppedPackets, Bytes: kernel.DroppedBytes},
		api.DropSlaveBusy: {Packets: kernel.RefusedPackets, Bytes: kernel.RefusedBytes},
	} {
		add(&d.Stats.Offered, c)
		sum := d.Stats.Dropped[why]
		add(&sum, c)
		d.Stats.Dropped[why] = sum
	}
	for _, stage := range policy.Forms()[1:] { // without pass
		sum, a := d.Stats.Stages[stage.Name], kernel.Stages[stage.Number]
		add(&sum, api.Count{Packets: a.Packets, Bytes: a.Bytes})
		d.Stats.Stages[stage.Name] = sum
	}
	d.Verdicts.Relay += here.RelayedPackets + here.RefusedPackets - here.UnjudgedPackets
	d.Verdicts.Drop += here.DroppedPackets
	return d
}

// losses are what the kernel lost before the relay was offered it.
type losses struct {
	mu         sync.Mutex
	txDropped  uint64 // of the interface, as far as it is in the counters
	txOverruns uint64 // the part of it that no state of the slave explains
	rxOverruns uint64 // of slaves that are closed
}

func (l *losses) overruns(d *Device) (tx, rx uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tx, rx = l.txOverruns, l.rxOverruns
	if far := d.shown.Load().port; far != nil {
		rx += far.Overruns()
	}
	if queue := d.queue(); queue != nil {
		tx += queue.Refused()
		rx += d.rx.lane.Lost()
	}
	return tx, rx
}

// settle enters what the kernel dropped in front of the interface. While the
// slave is away the interface has no carrier and the kernel drops everything
// for it, so the state of the slave is the reason; otherwise the queue was full.
// It returns the interface as the kernel shows it: one that is gone, over which
// Run ends, shows nothing.
func (d *Device) settle() port.Link {
	l := &d.host.lost
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := d.host.links.Glance(d.host.tap.Index())
	if err != nil {
		return port.Link{}
	}
	n := link.TxDropped - l.txDropped
	l.txDropped = link.TxDropped
	switch e := d.shown.Load().end; {
	case n == 0:
	case e.port != nil:
		l.txOverruns += n
	default:
		d.tx.counters.enterLost(n, e.why)
	}
	return link
}

// part takes leave of a slave's port before it is closed: its losses stay in the
// counters, and the new state is shown.
func (d *Device) part(old *port.Slave) {
	l := &d.host.lost
	l.mu.Lock()
	defer l.mu.Unlock()
	if old != nil {
		l.rxOverruns += old.Overruns()
	}
	d.publish()
}
