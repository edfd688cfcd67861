package insane

import (
	"errors"
	"io"
	"maps"
	"net/netip"
	"slices"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/watchdog"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// receiving is what a device does about the frames that arrive at its slave.
// Device.mu guards it.
type receiving struct {
	mode     string             // one of the api.Receive… modes
	objects  *kern.Objects      // nil until a mode, or the fast path, needs them
	watchdog *watchdog.Watchdog // of rx; nil as long as objects are
	claims   kern.Claims        // in force
	idle     string             // why nothing is taken; "" if the device takes what it should
}

func newReceiving() receiving { return receiving{mode: api.ReceiveNone} }

// loaded reports whether the eBPF objects are there.
func (r *receiving) loaded() bool { return r.objects != nil }

// takesFrames reports whether the mode takes frames.
func (r *receiving) takesFrames() bool { return r.loaded() && r.mode != api.ReceiveNone }

// claim exchanges the claims in force. It waits for an RCU grace period.
func (r *receiving) claim(claims kern.Claims) error {
	err := r.objects.Claim(claims)
	if err == nil {
		r.claims = claims
	}
	return err
}

// arm makes the kernel take frames as long as the relay of rx works, or not at all.
func (r *receiving) arm(on bool) { r.watchdog.Arm(on) }

// close releases the eBPF objects.
func (r *receiving) close() error {
	if !r.loaded() {
		return nil
	}
	return r.objects.Close()
}

// takes describes what is taken for a person.
func (r *receiving) takes() api.Takes {
	t := api.Takes{To: []string{}, From: []string{}, Idle: r.idle}
	if r.mode != api.ReceiveAuto {
		return t
	}
	for _, p := range slices.SortedFunc(maps.Keys(r.claims), netip.Prefix.Compare) {
		claim := r.claims[p]
		switch {
		case claim&kern.Own == 0 && (claim&kern.Routed == 0 || r.claims.Wider(p)&kern.Routed != 0):
		case len(t.To)+len(t.From) >= api.MaxTakes:
			t.More++
		case claim&kern.Own != 0:
			t.To = append(t.To, p.Addr().String())
		case p.IsSingleIP():
			t.From = append(t.From, p.Addr().String())
		default:
			t.From = append(t.From, p.String())
		}
	}
	return t
}

// socketFilter is what the slave's socket gets in a mode.
func (r *receiving) socketFilter(mode string) port.Filter {
	switch mode {
	case api.ReceiveAuto:
		return port.Program(r.objects.Auto())
	case api.ReceiveAll:
		return port.Program(r.objects.All())
	}
	if r.loaded() {
		return port.Program(r.objects.None())
	}
	return port.FilterNeighbours()
}

// attach hangs the program that steals frames into a slave's ingress.
func (r *receiving) attach(link host.Link) (io.Closer, error) {
	return r.objects.AttachSlave(kern.SlaveOptions{Link: link.Index, Device: link.IsDevice()})
}

// load loads the eBPF objects if they are not there.
func (d *Device) load() error {
	if d.receive.loaded() {
		return nil
	}
	objects, err := kern.Open(d.name)
	if err != nil {
		return err
	}
	d.receive.objects = objects
	d.receive.watchdog = d.keepWatch(objects.RX(), d.rx)
	d.group.Go(d.ticker.Run)
	return nil
}

// checkReceive finds out whether a mode is one, and possible with a slave and
// with the policy of rx. It loads the filter that the mode needs.
func (d *Device) checkReceive(mode string, slave host.Link, rx policy.Policy) error {
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
	case slave.Loopback:
		return api.Errorf(api.ErrWrongType, "slave", "slave: %q: what arrives at loopback is this host's own; "+
			"it can be a slave with receive none, not with %s", slave.Name, mode)
	}
	if err := d.load(); err != nil {
		return noReceive(mode, err)
	}
	return nil
}

// noReceive names what is missing and how to do without.
func noReceive(mode string, err error) error {
	return api.Errorf(api.ErrNoReceive, "receive", "receive: %q: %v; --receive none does without", mode, err)
}

// openSlave opens the ports of a slave for a mode. The program at ingress comes
// first and goes last: a frame that the socket takes must not be the stack's too.
func (d *Device) openSlave(link host.Link, mode string) (s slave, err error) {
	s = slave{name: link.Name, link: link, queues: host.TxQueues(link.Name)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if mode != api.ReceiveNone {
		if s.steal, err = d.receive.attach(link); err != nil {
			return s, noReceive(mode, err)
		}
	}
	if kernel := d.rx.Kernel(); kernel != nil {
		if old := &d.slave; old.backlog != nil && old.link.Index == link.Index {
			old.backlog.Release() // its socket lost the link, which is back
		}
		if s.backlog, err = kernel.Register(link.Index); err != nil {
			return s, err
		}
	}
	s.port, err = port.OpenSlave(link.Index, link.Name, d.receive.socketFilter(mode))
	return s, err
}

// switchMode makes the ports that are open work in another mode. Which frame is
// whose changes between two of them. The caller refreshes the device afterwards.
func (d *Device) switchMode(mode string) (err error) {
	if mode == d.receive.mode {
		return nil
	}
	if d.slave.port != nil {
		if err := d.slave.switchMode(&d.receive, mode); err != nil {
			return err
		}
	}
	d.receive.mode = mode
	d.changes++
	d.log.Info("receive mode changed", "receive", mode)
	return nil
}

// switchMode is Device.switchMode for a slave that is there.
func (s *slave) switchMode(r *receiving, mode string) (err error) {
	steal := s.steal
	if mode != api.ReceiveNone && steal == nil {
		if steal, err = r.attach(s.link); err != nil {
			return noReceive(mode, err)
		}
	}
	if err := s.port.SetFilter(r.socketFilter(mode)); err != nil {
		if s.steal == nil && steal != nil {
			err = errors.Join(err, steal.Close())
		}
		return err
	}
	s.steal = steal
	if mode == api.ReceiveNone && steal != nil {
		s.steal = nil
		// The old filter may be deciding still, on another processor, and
		// its decision must be met: an exchange of claims waits for that.
		return errors.Join(r.claim(nil), steal.Close())
	}
	return nil
}
