package insane

import (
	"errors"
	"io"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// receiving is what a device does about the frames that arrive at its slave.
// Device.mu guards it.
type receiving struct {
	mode     string        // one of the api.Receive… modes
	programs *kern.Objects // nil until a mode, or the fast path, needs them
	lease    *lease        // nil as long as programs are
	claims   kern.Claims   // in force
	idle     string        // why nothing is taken; "" if the device takes what it should
}

// checkReceive finds out whether a mode is one, and possible with a slave and
// with the policy of rx. It loads the filter that the mode needs.
func (d *Device) checkReceive(mode string, slave port.Link, rx policy.Policy) error {
	if err := api.CheckReceive(mode); err != nil {
		return api.Errorf(api.ErrInvalid, "receive", "receive: %q: %v", mode, err)
	}
	switch {
	case mode == api.ReceiveNone && rx != (policy.Policy{}):
		return api.Errorf(api.ErrInvalid, "rx",
			"rx: %q: with receive none nothing that arrives is the device's to fault", rx)
	case mode == api.ReceiveNone:
		return nil
	case d.host == nil:
		return api.Errorf(api.ErrInvalid, "receive", "receive: %q: the device has its ports already", mode)
	case slave.Loopback:
		return api.Errorf(api.ErrWrongType, "slave", "slave: %q: what arrives at loopback is this host's own; "+
			"it can be a slave with receive none, not with %s", slave.Name, mode)
	}
	return d.openFilter(mode)
}

// openFilter loads the receive filter if it is not there.
func (d *Device) openFilter(mode string) error {
	if err := d.load(); err != nil {
		return noReceive(mode, err)
	}
	return nil
}

// load loads the eBPF programs if they are not there.
func (d *Device) load() error {
	r := &d.host.receive
	if r.programs != nil {
		return nil
	}
	programs, err := kern.Open(d.name)
	if err != nil {
		return err
	}
	r.programs = programs
	r.lease = newLease(programs.RX(), d.rx)
	d.host.heart.keep(r.lease)
	d.group.Go(d.host.heart.run)
	return nil
}

// noReceive names what is missing and how to do without.
func noReceive(mode string, err error) error {
	return api.Errorf(api.ErrNoReceive, "receive", "receive: %q: %v; --receive none does without", mode, err)
}

// close ends what load began.
func (r *receiving) close() error {
	if r.programs == nil {
		return nil
	}
	return r.programs.Close()
}

// socketFilter is what the slave's socket gets in a mode.
func (r *receiving) socketFilter(mode string) port.Filter {
	switch mode {
	case api.ReceiveAuto:
		return port.Program(r.programs.Auto())
	case api.ReceiveAll:
		return port.Program(r.programs.All())
	}
	if r.programs != nil {
		return port.Program(r.programs.None())
	}
	return port.FilterNeighbours()
}

// openSlave opens the ports of a slave for a mode. The program at ingress comes
// first and goes last: a frame that the socket takes must not be the stack's too.
func (d *Device) openSlave(link port.Link, mode string) (s slave, err error) {
	s = slave{name: link.Name, link: link, queues: port.TxQueues(link.Name)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	r := &d.host.receive
	if mode != api.ReceiveNone {
		if s.withhold, err = r.attach(link); err != nil {
			return s, noReceive(mode, err)
		}
	}
	if d.rx.lane != nil {
		if old := &d.host.slave; old.berth != nil && old.link.Index == link.Index {
			old.berth.Release() // its socket lost the link, which is back
		}
		if s.berth, err = d.rx.lane.Register(link.Index); err != nil {
			return s, err
		}
	}
	s.port, err = port.OpenSlave(link, r.socketFilter(mode))
	return s, err
}

// attach hangs the program that withholds into a slave's ingress.
func (r *receiving) attach(link port.Link) (io.Closer, error) {
	return r.programs.AttachSlave(kern.SlaveOptions{Link: link.Index, Device: isDevice(link)})
}

// switchMode makes the ports that are open work in another mode. Which frame is
// whose changes between two of them.
func (d *Device) switchMode(mode string) (err error) {
	r, s := &d.host.receive, &d.host.slave
	if mode == r.mode {
		return nil
	}
	if s.port != nil {
		if err := s.switchMode(r, mode); err != nil {
			return err
		}
	}
	r.mode = mode
	d.publish()
	d.log.Info("receive mode changed", "receive", mode)
	d.reclaim()
	return nil
}

// switchMode is Device.switchMode for a slave that is there.
func (s *slave) switchMode(r *receiving, mode string) (err error) {
	withhold := s.withhold
	if mode != api.ReceiveNone && withhold == nil {
		if withhold, err = r.attach(s.link); err != nil {
			return noReceive(mode, err)
		}
	}
	if err := s.port.SetFilter(r.socketFilter(mode)); err != nil {
		if s.withhold == nil && withhold != nil {
			err = errors.Join(err, withhold.Close())
		}
		return err
	}
	s.withhold = withhold
	if mode == api.ReceiveNone && withhold != nil {
		s.withhold = nil
		// The old filter may be deciding still, on another processor, and
		// its decision must be met: an exchange of claims waits for that.
		err := r.programs.Claim(nil)
		r.claims = nil
		return errors.Join(err, withhold.Close())
	}
	return nil
}
