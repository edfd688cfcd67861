package insane

import (
	"strconv"
	"sync"

	"github.com/seed-39a139a1/insane/insane/decide"
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/lease"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// shown is the part of a device's state that it tells without a look-up. Each change publishes a new
// value, so that an answer waits neither for a change nor for the kernel. A published value
// is never changed, and may be read without a lock.
type shown struct {
	slave, slaveState string
	receive           string
	takes             api.Takes
	seed              uint64
	tx, rx            *relay.Ruleset
	txRelay, rxRelay  string      // why the relay carries everything; "": it does not
	end               *relay.End  // where the relay of tx sends frames in this state
	port              *port.Slave // nil if the link is gone
	self              host.Link   // the interface, as of the last pass
	warnings          []api.Warning
	rules             int
	leases            lease.Leases
}

// publish makes the present state the one that State returns. The caller holds d.mu.
func (d *Device) publish() {
	d.shown.Store(d.show())
	if d.tap != nil {
		d.about.Store(d.observer())
	}
}

// show returns what publish makes State return. The caller holds d.mu.
func (d *Device) show() *shown {
	s := &shown{
		slaveState: api.SlaveNone, receive: d.receive.Mode, takes: d.receive.Takes(),
		seed: d.pair.Seed(), tx: d.tx.Ruleset(), rx: d.rx.Ruleset(), end: d.tx.End(), warnings: d.warnings,
		rules: len(d.pair.Rules()), leases: d.leases.Present(),
	}
	if d.tap != nil {
		s.slave, s.slaveState = api.ShowName(d.slave.Name), d.slave.State()
		self := d.seen.Interface
		s.end, s.port, s.self = d.slave.End(), d.slave.Port, self.Link
		s.txRelay, s.rxRelay = d.path.Reasons()
	}
	return s
}

// observer returns an observer with a copy of the present configuration. The caller holds
// d.mu.
func (d *Device) observer() *observe.Observer {
	o := &observe.Observer{
		Name: d.name, Links: d.links, Iface: d.iface, Index: d.iface.Index(),
		Slave: d.slave.Name, On: d.slave.Index(), Routes: d.given.Destinations, Takes: d.receive.TakesFrames(), Kernel: d.receive.Objects,
	}
	if d.path.Exists() {
		o.Chains = d.receive.Objects
	}
	if d.slave.IsOpen() {
		o.Sockets = d.slave.Port
	}
	return o
}

// State returns the present state of the device; during a change it returns the state
// before. It does not wait for a change or for another process that changes the network: it
// reads counters from memory, and the interface without the kernel's lock on network
// configuration. It may be called at any time, by any goroutine.
func (d *Device) State() api.Info { return d.tell(d.shown.Load()) }

func (d *Device) tell(s *shown) api.Info {
	info := api.Info{
		Name: api.ShowName(d.name), Slave: s.slave, SlaveState: s.slaveState, Namespace: d.namespace, Outside: d.outside,
		Receive: s.receive, Takes: s.takes, Seed: s.seed, SeedText: strconv.FormatUint(s.seed, 10),
		JudgeNeighbours: s.tx.JudgeNeighbours, Rules: s.rules, Replay: replayInfo(s.tx.Replay()),
		Warnings: append([]api.Warning{}, s.warnings...), Leases: s.leases.Show(d.clock()), // never null in JSON
	}
	if d.logDropped != nil {
		info.LogDropped = d.logDropped()
	}
	var tx, rx uint64
	if d.tap != nil {
		link := d.settle()
		// The carrier is the one of the slave, unless the interface itself is down.
		info.Carrier, info.MTU = link.Up && s.slaveState == api.SlaveUp, link.MTU
		tx, rx = d.overruns()
	}
	info.TX, info.RX = d.tx.Direction(s.tx, s.txRelay, tx), d.rx.Direction(s.rx, s.rxRelay, rx)
	info.Path, info.PathReason = decide.Slowest(info)
	info.Warnings = append(info.Warnings, decide.Silence(d.heard.Silence(), info)...)
	return info
}

// Rules returns the rules from a number on, with their counters. It waits for nothing.
func (d *Device) Rules(from int) api.RulesPage { return d.pair.Page(from) }

// RulesFile returns the rules as text. It waits for nothing.
func (d *Device) RulesFile() string { return d.pair.Rules().String() }

// losses count the frames that the kernel lost before they reached a relay. They have a
// separate mutex, because State reads them without waiting for a change. It may be locked
// while Device.mu is held; a holder must not lock Device.mu.
type losses struct {
	mu         sync.Mutex
	txDropped  uint64 // of the interface: the part that the counters already include
	txOverruns uint64 // the part of txDropped that no state of the slave explains
	rxOverruns uint64 // of slaves that are closed
}

// overruns returns how many frames the kernel lost before they reached each relay. The
// caller need not hold d.mu.
func (d *Device) overruns() (tx, rx uint64) {
	l := &d.lost
	l.mu.Lock()
	defer l.mu.Unlock()
	tx, rx = l.txOverruns, l.rxOverruns
	if far := d.shown.Load().port; far != nil {
		rx += far.Overruns()
	}
	if queue := d.path.Queue; queue != nil {
		tx += queue.Refused()
		rx += d.rx.LostInKernel()
	}
	return tx, rx
}

// settle counts the frames that the kernel dropped at the interface. While the slave is
// gone or down, the interface has no carrier and the kernel drops every frame, so the state
// of the slave is the reason; otherwise the queue was full. It returns the interface as the
// kernel shows it, or as the last pass saw it: it may be away, or somebody renames it now.
func (d *Device) settle() host.Link {
	l := &d.lost
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := d.iface.LookNoWait()
	if err != nil || link.TxDropped < l.txDropped {
		return d.shown.Load().self
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

// keepLosses keeps the final counters of a slave's port before the port is closed, and
// publishes the new state. The caller holds d.mu.
func (d *Device) keepLosses(old *port.Slave) {
	l := &d.lost
	l.mu.Lock()
	defer l.mu.Unlock()
	if old != nil {
		l.rxOverruns += old.Overruns()
	}
	d.publish()
}
