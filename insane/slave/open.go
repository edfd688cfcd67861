package slave

import (
	"errors"
	"io"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Options say how to open a slave.
type Options struct {
	Link    host.Link
	Receive string          // one of the api.Receive… modes
	Objects *kern.Objects   // nil only with api.ReceiveNone
	Kernel  *kern.Direction // of rx; nil without a fast path
	Before  *Slave          // the slave that this one will take the place of; still open
}

// Open opens the sockets of a slave. The program at ingress comes first and goes
// last: a frame that the socket takes must not be the stack's too. On an error
// nothing is left; one about the receive mode is an *api.Error.
func Open(o Options) (s Slave, err error) {
	s = Slave{Name: o.Link.Name, Link: o.Link, Queues: host.TxQueues(o.Link.Name)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if o.Receive != api.ReceiveNone {
		if s.steal, err = attach(o.Objects, o.Link); err != nil {
			return s, NoReceive(o.Receive, err)
		}
	}
	if o.Kernel != nil {
		if old := o.Before; old.backlog != nil && old.Link.Index == o.Link.Index {
			old.backlog.Release() // its socket lost the link, which is back
		}
		if s.backlog, err = o.Kernel.Register(o.Link.Index); err != nil {
			return s, err
		}
	}
	s.Port, err = port.OpenSlave(o.Link.Index, o.Link.Name, filter(o.Objects, o.Receive))
	return s, err
}

// NoReceive says that a receive mode cannot be had, and how to do without.
func NoReceive(mode string, err error) error {
	return api.Errorf(api.ErrNoReceive, "receive", "receive: %q: %v; --receive none does without", mode, err)
}

// SwitchMode makes the sockets work in another receive mode, between two frames. On
// an error the old mode stays. quiet, which is called before the program at ingress
// goes, must wait until the kernel has done with every frame that met the old filter.
func (s *Slave) SwitchMode(objects *kern.Objects, mode string, quiet func() error) (err error) {
	steal := s.steal
	if mode != api.ReceiveNone && steal == nil {
		if steal, err = attach(objects, s.Link); err != nil {
			return NoReceive(mode, err)
		}
	}
	if err := s.Port.SetFilter(filter(objects, mode)); err != nil {
		if s.steal == nil && steal != nil {
			err = errors.Join(err, steal.Close())
		}
		return err
	}
	s.steal = steal
	if mode == api.ReceiveNone && steal != nil {
		s.steal = nil
		// The old filter may be deciding still, on another processor, and its
		// decision must be met.
		return errors.Join(quiet(), steal.Close())
	}
	return nil
}

// Steals reports whether a program keeps from the slave's stack what is taken.
func (s *Slave) Steals() bool { return s.steal != nil }

// Close closes what a slave has open. The socket goes first: what it no longer
// decides about is the stack's.
func (s *Slave) Close() (err error) {
	if s.Port != nil {
		err = s.Port.Close()
	}
	if s.backlog != nil {
		s.backlog.Release()
	}
	if s.steal != nil {
		err = errors.Join(err, s.steal.Close())
	}
	return err
}

// attach hangs the program that steals frames into a slave's ingress.
func attach(objects *kern.Objects, link host.Link) (io.Closer, error) {
	return objects.AttachSlave(kern.SlaveOptions{Link: link.Index, Device: link.IsDevice()})
}

// filter is what the slave's socket gets in a mode.
func filter(objects *kern.Objects, mode string) port.Filter {
	switch {
	case mode == api.ReceiveAuto:
		return port.Program(objects.Auto())
	case mode == api.ReceiveAll:
		return port.Program(objects.All())
	case objects != nil:
		return port.Program(objects.None())
	}
	return port.FilterNeighbours()
}
