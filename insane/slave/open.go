package slave

import (
	"errors"
	"io"
	"syscall"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Options are the parameters of Open.
type Options struct {
	Link    host.Link
	Receive string          // one of the api.Receive… modes
	Objects *kern.Objects   // nil only with api.ReceiveNone
	Kernel  *kern.Direction // of rx; nil without a fast path
	Before  *Slave          // the slave that this one will replace; still open
}

// Open opens the sockets of a slave, in the network namespace of the calling thread. It
// attaches the program at ingress before it opens the socket, because otherwise the stack
// too would get a frame that the socket takes. On an error nothing is left open. An error
// about the receive mode is an *api.Error. Open may wait for an RCU grace period.
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
			old.backlog.Release() // its socket has lost the link, which is back now
		}
		if s.backlog, err = o.Kernel.Register(o.Link.Index); err != nil {
			return s, err
		}
	}
	s.Port, err = port.OpenSlave(o.Link.Index, o.Link.Name, filter(o.Objects, o.Receive))
	if err == nil {
		err = s.remember(o.Objects, o.Receive)
	}
	return s, err
}

// setFilter exchanges the filter of the socket. While it does, the kernel counts both filters
// against net.core.optmem_max, which is too small for two large ones before Linux 6.7. Then a
// very small one comes in between, which accepts nothing: the slave's stack keeps all frames
// for that moment.
func (s *Slave) setFilter(objects *kern.Objects, mode string) error {
	err := s.Port.SetFilter(filter(objects, mode))
	if !errors.Is(err, syscall.ENOMEM) {
		return err
	}
	if err := s.Port.SetFilter(port.FilterNothing()); err != nil {
		return err
	}
	return s.Port.SetFilter(filter(objects, mode))
}

// remember makes the kernel remember how flows leave the host, or ends that: only the mode
// auto tells answers apart. It does without what leaves past the device if it must.
func (s *Slave) remember(objects *kern.Objects, mode string) (err error) {
	if on := mode == api.ReceiveAuto; on == (s.recall != nil) {
		return nil
	} else if !on {
		err = s.recall.Close()
		s.recall, s.forgets = nil, nil
		return err
	}
	cookie, err := s.Port.Cookie()
	if err != nil {
		return err
	}
	s.recall, s.forgets = objects.Recall(kern.RecallOptions{Link: s.Link.Index, Sender: cookie})
	return nil
}

// NoReceive returns the error for a receive mode that is not possible. It tells the user
// how to do without.
func NoReceive(mode string, err error) error {
	return api.Errorf(api.ErrNoReceive, "receive", "receive: %q: %v; --receive none does without", mode, err)
}

// SwitchMode makes the sockets work in another receive mode. Each frame meets either the
// old mode or the new one. On an error the old mode stays. SwitchMode calls quiet before it
// detaches the program at ingress; quiet must wait until the kernel has finished every
// frame that met the old filter.
func (s *Slave) SwitchMode(objects *kern.Objects, mode string, quiet func() error) (err error) {
	steal := s.steal
	if mode != api.ReceiveNone && steal == nil {
		if steal, err = attach(objects, s.Link); err != nil {
			return NoReceive(mode, err)
		}
	}
	if err := s.setFilter(objects, mode); err != nil {
		if s.steal == nil && steal != nil {
			err = errors.Join(err, steal.Close())
		}
		return err
	}
	s.steal = steal
	if err := s.remember(objects, mode); err != nil {
		return err
	}
	if mode == api.ReceiveNone && steal != nil {
		s.steal = nil
		// Another CPU may still run the old filter, and the program at ingress must carry
		// out the decision of that filter.
		return errors.Join(quiet(), steal.Close())
	}
	return nil
}

// Steals reports whether a program keeps the device's frames from the slave's stack.
func (s *Slave) Steals() bool { return s.steal != nil }

// Close closes the sockets and then detaches the program. In this order no frame reaches
// both the device and the stack.
func (s *Slave) Close() (err error) {
	if s.Port != nil {
		err = s.Port.Close()
	}
	if s.backlog != nil {
		s.backlog.Release()
	}
	for _, program := range []io.Closer{s.recall, s.steal} {
		if program != nil {
			err = errors.Join(err, program.Close())
		}
	}
	return err
}

// attach attaches the program that steals frames to the ingress of the slave.
func attach(objects *kern.Objects, link host.Link) (io.Closer, error) {
	return objects.AttachSlave(kern.SlaveOptions{Link: link.Index, Device: link.IsDevice()})
}

// filter returns the filter of the slave's socket in a receive mode.
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
