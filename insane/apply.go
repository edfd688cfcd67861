package insane

import (
	"bytes"
	"errors"
	"fmt"
	"maps"

	"github.com/seed-39a139a1/insane/insane/decide"
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insane/slave"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// config returns a copy of what the user asked for and what the device has open: the input
// of a decision. The caller holds d.mu.
func (d *Device) config() decide.Config {
	s := &d.slave
	return decide.Config{
		Name: d.name, Slave: s.Name, Link: s.Link, Queues: s.Queues, Open: s.IsOpen(),
		Receive: d.receive.mode, Uneven: !d.tx.Ruleset().Uniform(2), Flushed: d.flushed,
	}
}

// refresh looks at the whole host and applies the difference. A change that a user asks for
// calls it, and holds d.mu from beginning to end: the answer to the user is the new state,
// and no other change comes in between. It waits for the kernel as often as a pass does.
// Errors are logged only, because the change itself is already carried out.
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

// apply changes the device into what decide wants it to be on the host that was seen, and
// publishes the state. It returns true if it has changed what was seen; then the caller
// must look at the host once more. Errors are logged; the pass after the next event tries
// again. The caller holds d.mu.
//
// The order matters. First comes the state of the slave, so that the relay knows at once
// where its frames go and why frames are lost. Then the kernel learns who owns a received
// frame and which path packets take. The interface comes last, because each of its steps
// may wait for another process that changes the network.
func (d *Device) apply(seen observe.Host) (again bool) {
	if d.tap == nil {
		d.publish()
		return false
	}
	d.failed.Store(false)
	before := d.seen.Interface
	if err := seen.Interface.Err; err != nil {
		if before.Err == nil {
			d.log.Error("look at the interface", "err", err)
		}
		d.failed.Store(true)
	}
	if err := seen.Slave.Err; err != nil {
		d.fail("look up slave", "err", err)
	}
	w := decide.Decide(d.config(), seen)
	routes := seen.Routes
	seen.Routes = nil
	d.seen = seen
	d.path.observe(seen.Interface)
	if w.Step != decide.KeepSlave {
		again = d.applyStep(w)
		w = decide.Decide(d.config(), seen)
	}
	if again {
		return true
	}
	d.applySlave(w)
	d.applyOwnership(w)
	d.steer(w)
	again = d.applyInterface(w, routes)
	return w.SkipQdisc && d.skipQdisc() || again
}

// fail logs what could not be done. The next event of any kind starts a pass over all
// parts, which tries it again.
func (d *Device) fail(what string, args ...any) {
	d.failed.Store(true)
	d.log.Error(what, args...)
}

// applyStep detaches a slave whose link is gone, or attaches the slave whose link is back.
// It returns true on success; then the last look at the host is outdated. If a link cannot
// be attached, the slave stays gone.
func (d *Device) applyStep(w decide.Wanted) (done bool) {
	name := d.slave.Name
	if w.Step == decide.ReleaseSlave {
		d.log.Warn("slave is gone; waiting for a link of that name", "slave", name)
		d.exchange(slave.Slave{Name: name})
		return true
	}
	if err := d.reattach(w.Link); err != nil {
		d.fail("pick up slave", "slave", name, "err", err)
		return false
	}
	return true
}

// applySlave records what has changed about the link of the slave, and tells the relay
// where it sends frames from now on. It attributes the frames that the kernel has dropped
// so far to the old state.
func (d *Device) applySlave(w decide.Wanted) {
	if !d.slave.IsOpen() {
		return
	}
	was := d.slave.Link
	next := d.slave
	next.Link, next.Name, next.Queues = w.Link, w.Link.Name, w.Queues
	if end := next.End(); *end != *d.tx.End() {
		d.settle() // counted as losses of the old state
		d.tx.SetEnd(end)
	}
	d.slave = next
	if next.Name != was.Name {
		d.log.Info("slave was renamed", "from", was.Name, "to", next.Name)
	}
	if next.Link.Carrier != was.Carrier {
		d.log.Info("carrier of slave changed", "slave", next.Name, "carrier", next.Link.Carrier)
	}
}

// applyOwnership makes the kernel take the frames that belong to the device, as long as the
// relay of rx works. Replacing the claims waits for an RCU grace period, so it is done only
// if the new claims differ from the old ones. Without eBPF objects the kernel takes no
// frame; the reason is shown nevertheless.
func (d *Device) applyOwnership(w decide.Wanted) {
	d.receive.idle = w.Idle
	if !d.receive.loaded() {
		return
	}
	claims := d.seen.Ownership
	err := claims.Err
	if w.Claims != nil && !maps.Equal(w.Claims, d.receive.claims) {
		err = errors.Join(err, d.receive.claim(w.Claims))
	}
	err = errors.Join(err, d.slave.SetPromiscuous(w.Promiscuous))
	d.receive.arm(w.Armed)
	if err != nil {
		d.fail("follow addresses and routes", "err", err)
	}
}

// steer decides which data plane carries each direction, and publishes the state. It is the
// only function that opens the kernel's part of a direction. Every change closes that part
// first, so that each frame meets either the old state or the new one.
func (d *Device) steer(w decide.Wanted) {
	if d.path.exists() {
		d.path.tx = lead(d.tx, w.RelayTX, d.slave.Index())
		d.path.rx = lead(d.rx, w.RelayRX, d.tap.Index())
	}
	d.publish()
}

// lead lets the kernel carry a direction to the link with the index to, unless why says why
// the relay must carry everything. It returns the reason; "" if the kernel carries the
// direction.
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

// applyInterface makes the interface look like the slave, and restores what it has lost:
// the kernel removes IPv6 addresses and all routes while an interface is down. The device
// makes the requested routes again as soon as the interface is up. It returns true if the
// caller must look at the routes for that.
func (d *Device) applyInterface(w decide.Wanted, routes []host.RouteState) (again bool) {
	if d.slave.Name != "" {
		if err := d.followSlave(); err != nil {
			d.fail("follow slave", "slave", d.slave.Name, "err", err)
		}
	}
	self := &d.seen.Interface
	d.flushed = d.flushed || self.Down
	if w.Restore {
		d.flushed = false
		d.routes.Forget()
		if err := d.iface.AddAddresses(d.addresses); err != nil {
			d.flushed = true
			d.fail("restore addresses", "err", err)
		}
	}
	if d.flushed {
		return false // the kernel refuses routes while the interface is down
	}
	if err := d.routes.Keep(d.iface, routes); err != nil {
		d.fail("follow routes of slave", "err", err)
	}
	return w.Restore && routes == nil
}

// followSlave copies the alias, MTU, link-layer address and carrier of the slave to the
// interface. It sets MTU and address only when those of the slave change, because a user
// may give the interface other values. It sets the carrier each time, which costs almost
// nothing. It joins all errors.
func (d *Device) followSlave() error {
	var errs []error
	link, name := d.slave.Link, d.slave.Name
	if d.slave.IsOpen() && name != d.alias {
		err := d.iface.SetAlias(host.AliasPrefix + name)
		if err == nil {
			d.alias = name
		}
		errs = append(errs, err)
	}
	if d.slave.IsOpen() && (link.MTU != d.adopted.MTU || !bytes.Equal(link.MAC, d.adopted.MAC)) {
		err := d.adopt(link)
		if err == nil {
			d.adopted = link
		}
		errs = append(errs, err)
	}
	errs = append(errs, d.tap.SetCarrier(d.slave.State() == api.SlaveUp))
	return errors.Join(errs...)
}

// skipQdisc removes a queueing discipline that nobody has configured: when a user deletes a
// qdisc, the kernel installs a default one. It returns true if the caller must look at the
// interface once more.
func (d *Device) skipQdisc() (done bool) {
	self := &d.seen.Interface
	self.Spare = false // if it fails, the next look finds it again
	if err := d.iface.SkipQdisc(); err != nil {
		d.fail("look at the interface", "err", err)
		return false
	}
	return true
}

// reattach attaches a slave that was gone. The link may be a different one than before, so
// reattach checks it like a link that a user asks for.
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
