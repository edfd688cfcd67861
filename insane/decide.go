package insane

import (
	"fmt"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// config is what decide goes by beside the host: what was asked for, and what the
// device has open.
type config struct {
	name    string    // of the device
	slave   string    // name of the slave; "": none was given yet
	link    host.Link // of the slave, as of the last pass
	queues  int       // of link, for transmitting
	open    bool      // sockets are open on link
	receive string    // one of the api.Receive… modes
	uneven  bool      // packets of one super-frame of tx can get different verdicts
	flushed bool      // Device.flushed
}

// slaveStep is what is to be done about the slave before anything else.
type slaveStep int

const (
	keepSlave slaveStep = iota
	releaseSlave
	attachSlave
)

// wanted is what the device and the interface are to be.
type wanted struct {
	step   slaveStep
	link   host.Link // of the slave: to attach, or as it is now
	queues int       // of link

	skipQdisc bool // the interface is to have no queueing discipline
	restore   bool // the interface has lost the addresses and routes that were asked for

	claims      kern.Claims // nil: what they are
	idle        string      // why nothing is taken; "": what was asked for is taken
	armed       bool        // frames are taken from the slave as long as the device works
	promiscuous bool        // the slave is to receive frames to other link-layer addresses

	relayTX, relayRX string // why the relay carries everything; "": the kernel may carry
}

// decide says what is wanted of a device on a host. It is a pure function.
func decide(c config, o observe.Host) (w wanted) {
	w.link, w.queues, w.step = c.link, c.queues, decideSlave(c, o.Slave)
	if w.step == attachSlave || o.Slave.Bound {
		w.link, w.queues = o.Slave.Link, o.Slave.Queues
	}
	if w.step != keepSlave {
		return w // the host is looked at once more after that
	}
	w.skipQdisc = o.Interface.Spare
	w.restore = (c.flushed || o.Interface.Down) && o.Interface.Link.Up
	w.idle = idleReason(c, o.Interface)
	w.armed = c.receive != api.ReceiveNone && w.idle == ""
	// Promiscuous mode of the interface means that somebody wants frames to other
	// link-layer addresses: a bridge that it is part of, or tcpdump.
	w.promiscuous = o.Interface.Link.Promiscuity > 0 &&
		(c.receive == api.ReceiveAll || c.receive == api.ReceiveAuto && o.Interface.Link.Master != 0)
	w.claims = o.Ownership.Claims
	c.link, c.queues = w.link, w.queues
	w.relayTX = noFastTX(c, o.Interface)
	w.relayRX = noFastRX(c, w.idle, o.Interface)
	return w
}

// decideSlave keeps a slave as long as its sockets are on its link. After an error
// of the look-up it stays as it is.
func decideSlave(c config, s observe.Slave) slaveStep {
	switch {
	case s.Err != nil || c.slave == "":
		return keepSlave
	case c.open && !s.Bound:
		return releaseSlave
	case !c.open && s.Found:
		return attachSlave
	}
	return keepSlave
}

// idleReason says why nothing can be taken, if so. While the interface is down nothing
// is: a person who takes it down does not want to be cut off.
func idleReason(c config, self observe.Interface) string {
	switch {
	case c.receive == api.ReceiveNone:
		return ""
	case c.slave == "":
		return "there is no slave"
	case !c.open:
		return c.slave + " is gone"
	case self.Away:
		return c.name + " is not in this network namespace"
	case !self.Link.Up:
		return c.name + " is down"
	}
	return ""
}

// noFastTX says why the kernel must leave tx to the relay. The fast path is used
// wherever its result is exactly the relay's, and as long as nobody would miss
// anything: what it sends does not pass the interface's own queue, so a person who
// watches the interface, or shapes it, must have the relay.
func noFastTX(c config, self observe.Interface) string {
	switch state := slaveState(c.slave, c.open, c.link); {
	case state == api.SlaveNone:
		return "there is no slave"
	case state != api.SlaveUp:
		return c.slave + " is " + state
	case c.link.IsDevice():
		return c.slave + " is a device itself"
	case self.Away:
		return "the interface is not in this network namespace"
	case c.queues > 1 && c.uneven:
		// The relay's socket and the host's may choose different ones.
		return fmt.Sprintf("%s has %d transmit queues, in which packets of one super-frame could overtake the next", c.slave, c.queues)
	}
	return self.Watched
}

// noFastRX says why the kernel must leave rx to the relay.
func noFastRX(c config, idle string, self observe.Interface) string {
	switch {
	case c.receive == api.ReceiveNone:
		return "receive none: nothing but what neighbours say"
	case self.Away:
		return "the interface is not in this network namespace"
	}
	return idle
}
