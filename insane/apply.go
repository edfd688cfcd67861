package insane

import (
	"errors"
	"fmt"
	"maps"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// observer is to be called with d.mu held.
func (d *Device) observer() *observe.Observer {
	o := &observe.Observer{
		Name: d.name, Links: d.links, Iface: d.iface, Index: d.tap.Index(), Fast: d.path.exists(), Clsact: d.path.clsact,
		Slave: d.slave.name, On: d.slave.index(), Routes: d.routes.wanted, Takes: d.receive.takesFrames(),
	}
	if d.slave.port != nil {
		o.Sockets = d.slave.port
	}
	return o
}

// config is to be called with d.mu held.
func (d *Device) config() config {
	return config{
		name: d.name, slave: d.slave.name, link: d.slave.link, queues: d.slave.queues, open: d.slave.port != nil,
		receive: d.receive.mode, uneven: !d.tx.Ruleset().Uniform(2), flushed: d.flushed,
	}
}

// refresh looks at the whole host and applies the difference, for a change that
// holds d.mu from beginning to end.
func (d *Device) refresh() {
	if d.tap == nil {
		d.publish()
		return
	}
	for range rounds {
		if !d.apply(d.observer().Look(observe.Everything, d.seen)) {
			return
		}
	}
}

// apply makes the device what decide wants it to be on the host that was seen, and
// shows the state. It reports whether it has changed what was seen: then the host
// must be looked at once more. What fails is logged, and tried again after the next
// event. The caller holds d.mu.
func (d *Device) apply(seen observe.Host) (again bool) {
	if d.tap == nil {
		d.publish()
		return false
	}
	d.failed.Store(false)
	if err := seen.Interface.Err; err != nil {
		if d.seen.Interface.Err == nil {
			d.log.Error("look at the interface", "err", err)
		}
		d.failed.Store(true)
	}
	if err := seen.Slave.Err; err != nil {
		d.fail("look up slave", "err", err)
	}
	w := decide(d.config(), seen)
	routes := seen.Routes
	seen.Routes = nil
	d.seen = seen
	d.path.observe(seen.Interface)
	if w.step != keepSlave {
		again = d.applyStep(w)
		w = decide(d.config(), seen)
	}
	if again {
		return true
	}
	d.applySlave(w)
	d.applyOwnership(w)
	d.steer(w)
	d.applyInterface(w, routes)
	return w.skipQdisc && d.skipQdisc()
}

// fail logs what could not be done, which is tried again after the next event.
func (d *Device) fail(what string, args ...any) {
	d.failed.Store(true)
	d.log.Error(what, args...)
}

// applyStep lets a slave go whose link is gone, or picks up one that is back.
func (d *Device) applyStep(w wanted) (done bool) {
	name := d.slave.name
	if w.step == releaseSlave {
		d.log.Warn("slave is gone; waiting for a link of that name", "slave", name)
		d.exchange(slave{name: name})
		return true
	}
	if err := d.reattach(w.link); err != nil {
		d.fail("pick up slave", "slave", name, "err", err)
		return false
	}
	return true
}

// applySlave takes over what has changed about the link of the slave.
func (d *Device) applySlave(w wanted) {
	if d.slave.port == nil {
		return
	}
	was := d.slave.link
	next := d.slave
	next.link, next.name, next.queues = w.link, w.link.Name, w.queues
	if end := next.end(); *end != *d.tx.End() {
		d.settle() // by the state before
		d.tx.SetEnd(end)
	}
	d.slave = next
	if next.name != was.Name {
		d.log.Info("slave was renamed", "from", was.Name, "to", next.name)
	}
	if next.link.Carrier != was.Carrier {
		d.log.Info("carrier of slave changed", "slave", next.name, "carrier", next.link.Carrier)
	}
}

// applyOwnership takes what is the device's.
func (d *Device) applyOwnership(w wanted) {
	d.receive.idle = w.idle
	if !d.receive.loaded() {
		return
	}
	err := d.seen.Ownership.Err
	if w.claims != nil && !maps.Equal(w.claims, d.receive.claims) {
		err = errors.Join(err, d.receive.claim(w.claims))
	}
	if d.slave.port != nil {
		err = errors.Join(err, d.slave.port.SetPromiscuous(w.promiscuous))
	}
	d.receive.arm(w.armed)
	if err != nil {
		d.fail("follow addresses and routes", "err", err)
	}
}

// steer says to the data planes which of them carries what, and shows the state.
func (d *Device) steer(w wanted) {
	if d.path.exists() {
		d.path.tx = lead(d.tx, w.relayTX, d.slave.index())
		d.path.rx = lead(d.rx, w.relayRX, d.tap.Index())
	}
	d.publish()
}

// lead lets the kernel carry a direction to the link of an index, unless there is a
// reason why the relay must carry everything. It returns the reason.
func lead(r *relay.Relay, why string, to int) string {
	if why == "" {
		if err := r.OpenKernel(to); err != nil {
			why = err.Error()
		}
	}
	if why != "" {
		r.CloseKernel()
	}
	return why
}

// applyInterface makes the interface look like the slave, and gives it what it has
// lost.
func (d *Device) applyInterface(w wanted, routes []observe.Route) {
	if d.slave.name != "" {
		if err := d.followSlave(); err != nil {
			d.fail("follow slave", "slave", d.slave.name, "err", err)
		}
	}
	if d.seen.Interface.Down {
		d.flushed = true
	}
	if w.restore {
		d.flushed = false
		d.routes.forget()
		if err := giveAddresses(d.iface, d.addresses); err != nil {
			d.flushed = true
			d.fail("restore addresses", "err", err)
		}
	}
	if d.flushed {
		return // the kernel refuses routes while the interface is down
	}
	if err := d.routes.keep(d.iface, routes); err != nil {
		d.fail("follow routes of slave", "err", err)
	}
}

// followSlave makes alias, MTU, link-layer address and carrier of the interface
// those of the slave.
func (d *Device) followSlave() error {
	s := &d.slave
	var errs []error
	if s.port != nil && s.name != s.alias {
		err := d.iface.SetAlias(host.AliasPrefix + s.name)
		if err == nil {
			s.alias = s.name
		}
		errs = append(errs, err)
	}
	if s.port != nil && (s.link.MTU != s.adopted.MTU || s.link.MAC.String() != s.adopted.MAC.String()) {
		err := d.adopt(s.link)
		if err == nil {
			s.adopted = s.link
		}
		errs = append(errs, err)
	}
	errs = append(errs, d.tap.SetCarrier(s.state() == api.SlaveUp))
	return errors.Join(errs...)
}

// skipQdisc takes away a queueing discipline that nobody has asked for.
func (d *Device) skipQdisc() (done bool) {
	d.seen.Interface.Spare = false // if it fails, the next look finds it again
	if err := d.iface.SkipQdisc(); err != nil {
		d.fail("look at the interface", "err", err)
		return false
	}
	return true
}

// adopt makes the interface look like the link. IPv6 addresses are given again:
// an MTU that is too small for IPv6 takes them away, until it grows.
func (d *Device) adopt(link host.Link) error {
	if err := d.iface.Adopt(link); err != nil {
		return err
	}
	mtu := min(max(link.MTU, minMTU), maxMTU)
	if err := d.iface.SetMTU(mtu); err != nil || mtu < host.MinIPv6MTU {
		return err
	}
	return giveAddresses(d.iface, addresses6(d.addresses))
}

// reattach picks up a slave that was gone.
func (d *Device) reattach(link host.Link) error {
	err := checkType(link)
	if err == nil {
		err = d.checkReceive(d.receive.mode, link, d.rx.Ruleset().Policy)
	}
	if err != nil {
		return fmt.Errorf("look up: %w", err)
	}
	return d.attach(link, d.receive.mode)
}
