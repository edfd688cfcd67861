package insane

import (
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/insane/control"
	"github.com/seed-39a139a1/insane/insane/decide"
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/slave"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// config returns a copy of what the user asked for and what the device has open: the input
// of a decision. The caller holds d.mu.
func (d *Device) config() decide.Config {
	s := &d.slave
	return decide.Config{
		Name: api.ShowName(d.name), Slave: api.ShowName(s.Name), Link: s.Link, Queues: s.Queues, Open: s.IsOpen(),
		Receive: d.receive.Mode, Uneven: !d.tx.Ruleset().Uniform(2), Moved: d.moved,
		Bypasses: d.given.Bypasses(), Recorded: len(d.recordings.list) > 0, Replayed: d.pair.Replayed() != nil,
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
		d.failed.Store(false)
		if !d.apply(d.observer().Look(observe.Everything, d.seen)) {
			return
		}
	}
}

// apply changes the device into what decide wants it to be on the host that was seen, and
// publishes the state. It returns true if it has changed what was seen; then the caller
// must look at the host once more. Errors are logged; the pass after the next event tries
// again. A device that ends is left as it is: what was seen of it may be half closed. The
// caller holds d.mu.
//
// The order matters. First the kernel stops what is the relay's from now on, which waits
// for nothing. Then comes the state of the slave, so that the relay knows at once
// where its frames go and why frames are lost. Then the kernel learns who owns a received
// frame and which path packets take. The interface comes last, because each of its steps
// may wait for another process that changes the network.
func (d *Device) apply(seen observe.Host) (again bool) {
	if d.closed.Load() {
		return false
	}
	if d.tap == nil {
		d.publish()
		return false
	}
	before := d.seen.Interface
	if err := seen.Interface.Err; err != nil {
		d.failed.Store(true)
		if before.Err == nil {
			d.fail("look at the interface", "err", err)
		}
	}
	if err := seen.Slave.Err; err != nil {
		d.fail("look up slave", "err", err)
	}
	w := decide.Decide(d.config(), seen)
	routes := seen.Routes
	seen.Routes = nil
	d.seen = seen
	self := seen.Interface
	d.path.Observe(self.Away, self.Link.QueueLen)
	if w.Step != decide.KeepSlave {
		again = d.applyStep(w)
		w = decide.Decide(d.config(), seen)
	}
	if again || w.Renew && d.renew() {
		return true
	}
	d.tx.Yield(w.RelayTX)
	d.rx.Yield(w.RelayRX)
	d.applySlave(w)
	if again = d.applyInterface(routes); !again {
		d.applyOwnership(w)
		w.Warnings = decide.Warnings(d.config(), d.seen) // what is routed past the device is known now
	} // else the routes have changed since the look, and with them the ownership
	d.steer(w)
	return w.SkipQdisc && d.skipQdisc() || again
}

// applyStep detaches a slave whose link is gone, or attaches the slave whose link is back.
// It returns true on success; then the last look at the host is outdated. If a link cannot
// be attached, the slave stays gone.
func (d *Device) applyStep(w decide.Wanted) (done bool) {
	name := d.slave.Name
	if w.Step == decide.ReleaseSlave {
		d.log.Warn("slave is gone; waiting for a link of that name", "slave", api.ShowName(name))
		d.exchange(slave.Slave{Name: name})
		d.source.Nothing()
		return true
	}
	if err := d.reattach(w.Link); err != nil {
		d.fail("pick up slave", "slave", api.ShowName(name), "err", err)
		return false
	}
	seen := &d.seen.Slave
	seen.Bound = true // a change of policies may come before the next look
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
		d.log.Info("slave was renamed", "from", api.ShowName(was.Name), "to", api.ShowName(next.Name))
	}
	if next.Link.Carrier != was.Carrier {
		d.log.Info("carrier of slave changed", "slave", api.ShowName(next.Name), "carrier", next.Link.Carrier)
	}
}

// applyOwnership makes the kernel take the frames that belong to the device, as long as the
// relay of rx works. Replacing the claims waits for an RCU grace period, so it is done only
// if the new claims differ from the old ones. Without eBPF objects the kernel takes no
// frame; the reason is shown nevertheless.
func (d *Device) applyOwnership(w decide.Wanted) {
	d.receive.Idle = w.Idle
	if !d.receive.Loaded() {
		return
	}
	claims := d.seen.Ownership
	err := claims.Err
	if w.Claims != nil && !w.Claims.Equal(d.receive.Claims) {
		err = errors.Join(err, d.receive.Claim(w.Claims, claims.Takes))
	}
	err = errors.Join(err, d.slave.SetPromiscuous(w.Promiscuous))
	d.receive.Arm(w.Armed)
	if err != nil {
		d.fail("follow addresses and routes", "err", err)
	}
}

// steer decides which data plane carries each direction, and publishes the state. It is the
// only function that opens the kernel's part of a direction. Every change closes that part
// first, so that each frame meets either the old state or the new one.
func (d *Device) steer(w decide.Wanted) {
	if d.path.Exists() {
		d.path.TX = d.tx.Lead(w.RelayTX, d.slave.Index())
		d.path.RX = d.rx.Lead(w.RelayRX, d.iface.Index())
	}
	control.LogWarnings(d.log, d.warnings, w.Warnings)
	d.warnings = w.Warnings
	d.publish()
}

// reattach attaches a slave that was gone. The link may be a different one than before, so
// reattach checks it like a link that a user asks for.
func (d *Device) reattach(link host.Link) error {
	err := slave.CheckType(link)
	if err == nil {
		err = d.checkReceive(d.receive.Mode, link, *d.rx.Ruleset().Policy)
	}
	if err != nil {
		return fmt.Errorf("look up: %w", err)
	}
	return d.attach(link, d.receive.Mode)
}
