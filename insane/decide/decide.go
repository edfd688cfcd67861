// Package decide says what is wanted of a device and its interface, from what was
// asked for and what was seen of the host. It is pure: it asks nobody, changes
// nothing and keeps nothing.
//
// The file is decide.go: what a decision goes by, its result, and the reasons that
// people are shown.
package decide

import (
	"fmt"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Config is what Decide goes by beside the host: what was asked for, and what the
// device has open.
type Config struct {
	Name    string    // of the device
	Slave   string    // name of the slave; "": none was given yet
	Link    host.Link // of the slave, as of the last pass
	Queues  int       // of link, for transmitting
	Open    bool      // sockets are open on link
	Receive string    // one of the api.Receive… modes
	Uneven  bool      // packets of one super-frame of tx can get different verdicts
	Flushed bool      // the interface was down since it was given its addresses and routes
}

// Step is what is to be done about the slave before anything else.
type Step int

// The steps. After any but KeepSlave the host is to be looked at once more.
const (
	KeepSlave    Step = iota // it is as it should be
	ReleaseSlave             // its link is gone
	AttachSlave              // its link is back
)

// Wanted is what the device and the interface are to be.
type Wanted struct {
	Step   Step
	Link   host.Link // of the slave: to attach, or as it is now
	Queues int       // of link

	SkipQdisc bool // the interface is to have no queueing discipline
	Restore   bool // the interface has lost the addresses and routes that were asked for

	Claims      kern.Claims // nil: what they are
	Idle        string      // why nothing is taken; "": what was asked for is taken
	Armed       bool        // frames are taken from the slave as long as the device works
	Promiscuous bool        // the slave is to receive frames to other link-layer addresses

	RelayTX, RelayRX string // why the relay carries everything; "": the kernel may carry
}

// Decide says what is wanted of a device on a host. It is a pure function.
func Decide(c Config, o observe.Host) (w Wanted) {
	w.Link, w.Queues, w.Step = c.Link, c.Queues, decideSlave(c, o.Slave)
	if w.Step == AttachSlave || o.Slave.Bound {
		w.Link, w.Queues = o.Slave.Link, o.Slave.Queues
	}
	if w.Step != KeepSlave {
		return w // the host is looked at once more after that
	}
	self := o.Interface
	w.SkipQdisc = self.Spare
	w.Restore = (c.Flushed || self.Down) && self.Link.Up
	w.Idle = idleReason(c, self)
	w.Armed = c.Receive != api.ReceiveNone && w.Idle == ""
	// Promiscuous mode of the interface means that somebody wants frames to other
	// link-layer addresses: a bridge that it is part of, or tcpdump.
	w.Promiscuous = self.Link.Promiscuity > 0 &&
		(c.Receive == api.ReceiveAll || c.Receive == api.ReceiveAuto && self.Link.Master != 0)
	w.Claims = o.Ownership.Claims
	c.Link, c.Queues = w.Link, w.Queues
	w.RelayTX = noFastTX(c, self)
	w.RelayRX = noFastRX(c, w.Idle, self)
	return w
}

// decideSlave keeps a slave as long as its sockets are on its link. After an error
// of the look-up it stays as it is.
func decideSlave(c Config, s observe.Slave) Step {
	switch {
	case s.Err != nil || c.Slave == "":
		return KeepSlave
	case c.Open && !s.Bound:
		return ReleaseSlave
	case !c.Open && s.Found:
		return AttachSlave
	}
	return KeepSlave
}

// idleReason says why nothing can be taken, if so. While the interface is down nothing
// is: a person who takes it down does not want to be cut off.
func idleReason(c Config, self observe.Interface) string {
	switch {
	case c.Receive == api.ReceiveNone:
		return ""
	case c.Slave == "":
		return "there is no slave"
	case !c.Open:
		return c.Slave + " is gone"
	case self.Away:
		return c.Name + " is not in this network namespace"
	case !self.Link.Up:
		return c.Name + " is down"
	}
	return ""
}

// noFastTX says why the kernel must leave tx to the relay. The fast path is used
// wherever its result is exactly the relay's, and as long as nobody would miss
// anything: what it sends does not pass the interface's own queue, so a person who
// watches the interface, or shapes it, must have the relay.
func noFastTX(c Config, self observe.Interface) string {
	switch state := SlaveState(c.Slave, c.Open, c.Link); {
	case state == api.SlaveNone:
		return "there is no slave"
	case state != api.SlaveUp:
		return c.Slave + " is " + state
	case c.Link.IsDevice():
		return c.Slave + " is a device itself"
	case self.Away:
		return "the interface is not in this network namespace"
	case c.Queues > 1 && c.Uneven:
		// The relay's socket and the host's may choose different ones.
		return fmt.Sprintf("%s has %d transmit queues, in which packets of one super-frame could overtake the next", c.Slave, c.Queues)
	}
	return self.Watched
}

// noFastRX says why the kernel must leave rx to the relay.
func noFastRX(c Config, idle string, self observe.Interface) string {
	switch {
	case c.Receive == api.ReceiveNone:
		return "receive none: nothing but what neighbours say"
	case self.Away:
		return "the interface is not in this network namespace"
	}
	return idle
}

// SlaveState is one of the api.Slave… states: that of a slave of a name. open: there
// are sockets on the link.
func SlaveState(name string, open bool, link host.Link) string {
	switch {
	case name == "":
		return api.SlaveNone
	case !open:
		return api.SlaveGone
	case !link.Carrier:
		return api.SlaveDown
	}
	return api.SlaveUp
}
