package insane

import (
	"errors"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insane/slave"
	"github.com/seed-39a139a1/insane/insane/watchdog"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// load loads the eBPF objects, unless they are loaded. They stay loaded until the device is
// closed, also if the receive mode changes. load also starts the ticker, which has no work
// without them. The caller is Open, or holds d.mu.
func (d *Device) load() error {
	if d.receive.Loaded() {
		return nil
	}
	objects, err := kern.Open(d.name)
	if err != nil {
		return err
	}
	if err := errors.Join(d.tap.SetFilter(objects.Leave()), d.tap.SetSteering(objects.Steer())); err != nil {
		return errors.Join(err, objects.Close())
	}
	d.receive.Objects = objects
	d.receive.Watchdog = d.keepWatch(objects.RX(), d.rx)
	d.group.Go(d.ticker.Run)
	return nil
}

// keepWatch makes a watchdog that expires when a relay hangs. The ticker kicks it until the
// device is closed.
func (d *Device) keepWatch(kernel *kern.Direction, r *relay.Relay) *watchdog.Watchdog {
	w := watchdog.New(kernel, d.clock, r.Works)
	d.ticker.Keep(w)
	return w
}

// checkReceive checks that mode is a receive mode, and that it is possible with a slave and
// with the policy of rx. It loads the eBPF objects if the mode needs them.
func (d *Device) checkReceive(mode string, link host.Link, rx policy.Policy) error {
	if err := api.CheckReceive(mode); err != nil {
		return api.Errorf(api.ErrInvalid, "receive", "receive: %q: %v", mode, err)
	}
	switch {
	case mode == api.ReceiveNone && rx != (policy.Policy{}):
		return api.Errorf(api.ErrInvalid, "rx",
			"rx: %q: with receive none nothing that arrives is the device's to fault", rx)
	case mode == api.ReceiveNone:
		return nil
	case d.tap == nil:
		return api.Errorf(api.ErrInvalid, "receive", "receive: %q: the device has its ports already", mode)
	case link.Loopback:
		return api.Errorf(api.ErrWrongType, "slave", "slave: %q: what arrives at loopback is this host's own; "+
			"it can be a slave with receive none, not with %s", link.Name, mode)
	}
	if err := d.load(); err != nil {
		return slave.NoReceive(mode, err)
	}
	return nil
}

// switchMode makes the open sockets work in another mode. Each frame belongs to its owner
// in the old mode or in the new one. The caller refreshes the device afterwards.
func (d *Device) switchMode(mode string) error {
	r := &d.receive
	if mode == r.Mode {
		return nil
	}
	if d.slave.IsOpen() {
		// Replacing the claims waits until no program uses the old ones.
		quiet := func() error { return r.Claim(nil, api.Takes{}) }
		if err := d.slave.SwitchMode(r.Objects, mode, quiet); err != nil {
			return err
		}
	}
	r.Mode = mode
	d.changes++
	d.publish() // so that no event is passed over while the host is looked at
	d.log.Info("receive mode changed", "receive", mode)
	return nil
}
