// Package slave is the NIC that a device stands in front of: the sockets on it, and
// the program that keeps from its own stack what is the device's.
//
//	open.go   the sockets of a slave, opened, switched to another mode and closed
//	slave.go  a slave and its state
package slave

import (
	"io"

	"github.com/seed-39a139a1/insane/insane/decide"
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Slave is a NIC that was asked for by its name, whether its link is there or not.
// The zero value is that of a device without a slave. It is not safe for concurrent
// use, but for Port.
type Slave struct {
	Name   string      // "" if none was given yet
	Link   host.Link   // as it was seen last; zero if it was never there
	Queues int         // of Link, for transmitting
	Port   *port.Slave // the sockets on Link; nil if the link is gone

	backlog *kern.Backlog // where what arrives waits for the relay; nil without a fast path
	steal   io.Closer     // keeps from the slave's stack what is taken; nil if nothing is
}

// IsOpen reports whether there are sockets, on whatever link.
func (s *Slave) IsOpen() bool { return s.Port != nil }

// Index is that of the link; 0: none was found yet.
func (s *Slave) Index() int { return s.Link.Index }

// On reports whether the sockets are open on the link of an index, and still bound to
// it.
func (s *Slave) On(index int) bool {
	return s.Port != nil && s.Link.Index == index && s.Port.Bound()
}

// Backlog is where the kernel counts what waits for the relay; nil without a fast path.
func (s *Slave) Backlog() *kern.Backlog { return s.backlog }

// State is one of the api.Slave… states.
func (s *Slave) State() string { return decide.SlaveState(s.Name, s.Port != nil, s.Link) }

// End is where the relay sends to, in this state.
func (s *Slave) End() *relay.End {
	switch s.State() {
	case api.SlaveNone:
		return &relay.End{Why: relay.DropNoSlave}
	case api.SlaveGone:
		return &relay.End{Why: relay.DropSlaveGone}
	case api.SlaveDown:
		return &relay.End{Why: relay.DropSlaveDown}
	}
	return &relay.End{Port: s.Port, MTU: s.Link.MTU}
}

// Settle says to the kernel what got lost on the way to the relay. It is to be
// called now and then, each time with whether the relay has been idle since.
func (s *Slave) Settle(idle bool) {
	if s.backlog != nil {
		s.backlog.Lost(s.Port.Overruns())
		s.backlog.Settle(idle)
	}
}

// SetPromiscuous makes the slave receive frames to other link-layer addresses, or no
// longer. Without sockets it does nothing.
func (s *Slave) SetPromiscuous(on bool) error {
	if s.Port == nil {
		return nil
	}
	return s.Port.SetPromiscuous(on)
}
