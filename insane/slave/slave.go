// Package slave is the NIC that a device relays to: the sockets on it, and the program that
// keeps the device's frames from the NIC's own stack.
//
//	check.go  what to ask of a link that is to be a slave, and what to warn of
//	find.go   looks up links that can be a slave
//	open.go   opens the sockets of a slave, switches the receive mode, closes
//	slave.go  Slave and its state
//	receiving.go  Receiving: how what arrives is handled
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

// Slave is a NIC that a user named. Its link may be gone. The zero value means that the
// device has no slave. A Slave is not safe for concurrent use; its Port is.
type Slave struct {
	Name   string      // "" if none was given yet
	Link   host.Link   // as last seen; zero if the link never existed
	Queues int         // transmit queues of Link
	Port   *port.Slave // the sockets on Link; nil if the link is gone

	backlog *kern.Backlog // counts received frames that wait for the relay; nil without a fast path
	steal   io.Closer     // detaches the program that steals frames from the slave's stack; nil if none is attached
	recall  io.Closer     // ends the memory of flows; nil in modes other than auto
	forgets error         // why flows that leave past the device are not remembered
}

// IsOpen reports whether the sockets are open. The link may be gone nevertheless.
func (s *Slave) IsOpen() bool { return s.Port != nil }

// Index returns the index of the link; 0 if the link was never found.
func (s *Slave) Index() int { return s.Link.Index }

// On reports whether the sockets are open on the link with this index, and still bound to
// it.
func (s *Slave) On(index int) bool {
	return s.Port != nil && s.Link.Index == index && s.Port.Bound()
}

// Backlog returns the counter of frames that wait for the relay; nil without a fast path.
func (s *Slave) Backlog() *kern.Backlog { return s.backlog }

// Forgets returns why answers to sockets that are bound to the slave are not told apart from
// others of a routed host; nil if they are, or if the receive mode makes no difference.
func (s *Slave) Forgets() error { return s.forgets }

// State returns one of the api.Slave… states.
func (s *Slave) State() string { return decide.SlaveState(s.Name, s.Port != nil, s.Link) }

// End returns the destination of the relay in the present state of the slave.
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

// Settle tells the kernel which frames were lost on the way to the relay. Call it from time
// to time; idle says whether the relay has been idle since the last call.
func (s *Slave) Settle(idle bool) {
	if s.backlog != nil {
		s.backlog.Lost(s.Port.Overruns())
		s.backlog.Settle(idle)
	}
}

// SetPromiscuous makes the slave receive frames for other link-layer addresses, or ends
// that. Without sockets it does nothing.
func (s *Slave) SetPromiscuous(on bool) error {
	if s.Port == nil {
		return nil
	}
	return s.Port.SetPromiscuous(on)
}
