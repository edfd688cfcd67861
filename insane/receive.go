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

// receiving is how a device handles the frames that arrive at its slave. Device.mu guards
// it.
type receiving struct {
	mode     string             // one of the api.Receive… modes
	objects  *kern.Objects      // nil until a mode, or the fast path, needs them
	watchdog *watchdog.Watchdog // of rx; nil while objects is nil
	claims   kern.Claims        // the claims in force
	words    api.Takes          // the claims in force, in words
	idle     string             // why nothing is taken; "" if the device takes what it should
}

// newReceiving returns the state of a new device: no frames, and no eBPF objects.
func newReceiving() receiving { return receiving{mode: api.ReceiveNone} }

// loaded reports whether the eBPF objects are loaded.
func (r *receiving) loaded() bool { return r.objects != nil }

// takesFrames reports whether the mode takes frames.
func (r *receiving) takesFrames() bool { return r.loaded() && r.mode != api.ReceiveNone }

// claim replaces the claims in force; words are the same. It waits for an RCU grace period.
func (r *receiving) claim(claims kern.Claims, words api.Takes) error {
	err := r.objects.Claim(claims)
	if err == nil {
		r.claims, r.words = claims, words
	}
	return err
}

// arm makes the kernel take frames as long as the relay of rx works; with false the kernel
// takes none. It must not be called before the objects are loaded.
func (r *receiving) arm(on bool) { r.watchdog.Arm(on) }

// close releases the eBPF objects.
func (r *receiving) close() error {
	if !r.loaded() {
		return nil
	}
	return r.objects.Close()
}

// takes describes for a user which frames the device takes.
func (r *receiving) takes() api.Takes {
	t := api.Takes{To: []string{}, From: []string{}}
	if r.mode == api.ReceiveAuto && r.claims != nil {
		t = r.words
	}
	t.Idle = r.idle
	return t
}

// load loads the eBPF objects, unless they are loaded. They stay loaded until the device is
// closed, also if the receive mode changes. load also starts the ticker, which has no work
// without them. The caller is Open, or holds d.mu.
func (d *Device) load() error {
	if d.receive.loaded() {
		return nil
	}
	objects, err := kern.Open(d.name)
	if err != nil {
		return err
	}
	if err := errors.Join(d.tap.SetFilter(objects.Leave()), d.tap.SetSteering(objects.Steer())); err != nil {
		return errors.Join(err, objects.Close())
	}
	d.receive.objects = objects
	d.receive.watchdog = d.keepWatch(objects.RX(), d.rx)
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
	if mode == r.mode {
		return nil
	}
	if d.slave.IsOpen() {
		// Replacing the claims waits until no program uses the old ones.
		quiet := func() error { return r.claim(nil, api.Takes{}) }
		if err := d.slave.SwitchMode(r.objects, mode, quiet); err != nil {
			return err
		}
	}
	r.mode = mode
	d.changes++
	d.publish() // so that no event is passed over while the host is looked at
	d.log.Info("receive mode changed", "receive", mode)
	return nil
}
