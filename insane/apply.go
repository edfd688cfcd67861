package insane

import (
	"errors"
	"fmt"
	"maps"

	"github.com/seed-39a139a1/insane/insane/decide"
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insane/slave"
)

// config is what was asked for and what is open, for a decision. It is a copy. The
// caller holds d.mu.
func (d *Device) config() decide.Config {
	s := &d.slave
	return decide.Config{
		Name: d.name, Slave: s.Name, Link: s.Link, Queues: s.Queues, Open: s.IsOpen(),
		Receive: d.receive.mode, Uneven: !d.tx.Ruleset().Uniform(2), Flushed: d.flushed,
	}
}

// refresh looks at the whole host and applies the difference, for a change that
// holds d.mu from beginning to end: its answer is the state that it leads to, and no
// other change comes in between. It waits for the kernel as often as a pass does.
// What fails is logged; the change itself was carried out already.
func (d *Device) refresh() {
	if d.tap == nil {
		d.publish()
		return
	}
	for range rounds {
		d.failed.Store(false)
		if !d.apply(d.observer().Look(observe.Everything, d.seen)) {
			return
		}
	}
}

// apply makes the device what decide wants it to be on the host that was seen, and
// shows the state. It reports whether it has changed what was seen: then the host
// must be looked at once more. What fails is logged, and tried again after the next
// event. The caller holds d.mu.
//
// The order matters. The state of the slave comes first, as the relay is to know at
// once where its frames go and why they are lost. Then the kernel is told whose a
// received frame is and which path packets take. Only then follows the interface,
// where each step may wait for others who change the network.
func (d *Device) apply(seen observe.Host) (again bool) {
	if d.tap == nil {
		d.publish()
		return false
	}
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

// applyStep lets a slave go whose link is gone, or picks up one that is back. It
// reports whether that succeeded: what was seen is outdated then. A link that cannot
// be picked up stays where it is, and the slave stays gone.
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

// applySlave takes over what has changed about the link of the slave, and tells the
// relay where frames go from now on. Frames that the kernel has dropped until now are
// counted by the state before.
func (d *Device) applySlave(w decide.Wanted) {
	if !d.slave.IsOpen() {
		return
	}
	was := d.slave.Link
	next := d.slave
	next.Link, next.Name, next.Queues = w.Link, w.Link.Name, w.Queues
	if end := next.End(); *end != *d.tx.End() {
		d.settle() // by the state before
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

// applyOwnership makes the kernel take what is the device's, as long as the device
// works. An exchange of claims waits for an RCU grace period, so it is made only if
// they differ from those in force. Without eBPF objects nothing is taken, and the
// reason is shown all the same.
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

// steer says to the data planes which of them carries what, and shows the state. It
// is the only place where the kernel's part of a direction is opened; every change
// closes it before, so that a frame meets either the old state or the new one.
func (d *Device) steer(w decide.Wanted) {
	if d.path.exists() {
		d.path.tx = lead(d.tx, w.RelayTX, d.slave.Index())
		d.path.rx = lead(d.rx, w.RelayRX, d.tap.Index())
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

// reattach picks up a slave that was gone. Its link may be quite another one than
// before, so it is checked as if a person asked for it.
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
