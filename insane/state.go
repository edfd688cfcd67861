package insane

import (
	"sync"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// shown is what a device tells of itself without asking anybody. A change
// publishes a new one, so that an answer never waits for a change, nor for the
// kernel that the change is waiting for.
type shown struct {
	slave, slaveState string
	receive           string
	takes             api.Takes
	seed              uint64
	tx, rx            *relay.Ruleset
	txRelay, rxRelay  string      // why the relay carries everything; "": it does not
	end               *relay.End  // where tx goes in this state
	port              *port.Slave // nil if the link is gone
}

// publish makes the present state the one that State shows, and the one by which the
// events that concern the device are told from others. The caller holds d.mu. It comes
// before the look at the host that follows a change: an event after it is not
// overlooked, and one before it is older than the look.
func (d *Device) publish() {
	s := &shown{
		slaveState: api.SlaveNone, receive: d.receive.mode, takes: d.receive.takes(),
		seed: d.seed, tx: d.tx.Ruleset(), rx: d.rx.Ruleset(), end: d.tx.End(),
	}
	if d.tap != nil {
		s.slave, s.slaveState = d.slave.Name, d.slave.State()
		s.end, s.port = d.slave.End(), d.slave.Port
		s.txRelay, s.rxRelay = d.path.reasons()
		d.about.Store(d.observer())
	}
	d.shown.Store(s)
}

// observer is what a look at the host needs to know of the device. It is a copy, for
// use without the lock. The caller holds d.mu.
func (d *Device) observer() *observe.Observer {
	o := &observe.Observer{
		Name: d.name, Links: d.links, Iface: d.iface, Index: d.tap.Index(), Fast: d.path.exists(), Clsact: d.path.clsact,
		Slave: d.slave.Name, On: d.slave.Index(), Routes: d.routes.Wanted, Takes: d.receive.takesFrames(),
	}
	if d.slave.IsOpen() {
		o.Sockets = d.slave.Port
	}
	return o
}

// State is the device as it is now. During a change it is what was before. It waits
// neither for a change nor for anybody who changes the network: counters come from
// memory, and the interface is read without the kernel's lock on configuration.
func (d *Device) State() api.Info {
	s := d.shown.Load()
	info := api.Info{
		Name: d.name, Slave: s.slave, SlaveState: s.slaveState,
		Receive: s.receive, Takes: s.takes, Seed: s.seed,
	}
	var tx, rx uint64
	if d.tap != nil {
		link := d.settle()
		// The carrier is the slave's, unless the interface itself is down.
		info.Carrier, info.MTU = link.Up && s.slaveState == api.SlaveUp, link.MTU
		tx, rx = d.overruns()
	}
	info.TX, info.RX = d.tx.Direction(s.tx, s.txRelay, tx), d.rx.Direction(s.rx, s.rxRelay, rx)
	info.Path, info.PathReason = slowest(info)
	return info
}

// slowest is the path of a whole device: the slower path of the directions in use,
// and why it is not a faster one.
func slowest(i api.Info) (path, reason string) {
	switch {
	case i.TX.Path != api.PathKernel && i.RX.Path != api.PathKernel && i.Receive != api.ReceiveNone && i.TX.PathReason != i.RX.PathReason:
		return api.PathRelay, "tx: " + i.TX.PathReason + "; rx: " + i.RX.PathReason
	case i.TX.Path != api.PathKernel && i.RX.Path == api.PathKernel:
		return api.PathRelay, "tx: " + i.TX.PathReason
	case i.TX.Path != api.PathKernel:
		return api.PathRelay, i.TX.PathReason
	case i.Receive != api.ReceiveNone && i.RX.Path != api.PathKernel:
		return api.PathRelay, "rx: " + i.RX.PathReason
	}
	return api.PathKernel, ""
}

// losses are what the kernel lost before the relay was offered it, in frames: the
// kernel does not tell how many packets those were. The lock is held for as long as
// it takes to read counters.
type losses struct {
	mu         sync.Mutex
	txDropped  uint64 // of the interface, as far as it is in the counters
	txOverruns uint64 // the part of it that no state of the slave explains
	rxOverruns uint64 // of slaves that are closed
}

// overruns are the frames that the kernel lost in front of either relay, for no
// reason that a policy or the state of the slave gives. A reader need not hold d.mu:
// the slave's port is taken from what is shown, under the lock of the losses, so
// that one which closes meanwhile is counted once.
func (d *Device) overruns() (tx, rx uint64) {
	l := &d.lost
	l.mu.Lock()
	defer l.mu.Unlock()
	tx, rx = l.txOverruns, l.rxOverruns
	if far := d.shown.Load().port; far != nil {
		rx += far.Overruns()
	}
	if queue := d.path.queue; queue != nil {
		tx += queue.Refused()
		rx += d.rx.LostInKernel()
	}
	return tx, rx
}

// settle enters what the kernel dropped in front of the interface. While the
// slave is away the interface has no carrier and the kernel drops everything
// for it, so the state of the slave is the reason; otherwise the queue was full.
// It returns the interface as the kernel shows it: one that is gone, over which
// Run ends, shows nothing.
func (d *Device) settle() host.Link {
	l := &d.lost
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := d.links.ByIndexNoWait(d.tap.Index())
	if err != nil {
		return host.Link{}
	}
	n := link.TxDropped - l.txDropped
	l.txDropped = link.TxDropped
	switch e := d.shown.Load().end; {
	case n == 0:
	case e.Port != nil:
		l.txOverruns += n
	default:
		d.tx.EnterLost(n, e.Why)
	}
	return link
}

// keepLosses keeps the final counters of a slave's port before it is closed, and
// shows the new state. The caller holds d.mu.
func (d *Device) keepLosses(old *port.Slave) {
	l := &d.lost
	l.mu.Lock()
	defer l.mu.Unlock()
	if old != nil {
		l.rxOverruns += old.Overruns()
	}
	d.publish()
}
