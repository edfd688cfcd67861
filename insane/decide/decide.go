// Package decide computes the wanted state of a device and its interface, from the request
// of the user and the observed host. It is pure: its result depends on the arguments only.
//
//	decide.go    the input of a decision, its result, and the reasons that users are shown
//	slowest.go   the path of the whole device
//	warnings.go  what is wrong around the device although it works
//	silence.go   why nothing may come back
package decide

import (
	"cmp"
	"fmt"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Config is the input of Decide besides the host: the request of the user, and the sockets
// and state of the device.
type Config struct {
	Name    string    // of the device, as api.ShowName shows it
	Slave   string    // name of the slave, as api.ShowName shows it; "": none was given yet
	Link    host.Link // of the slave, as the last pass saw it
	Queues  int       // transmit queues of Link
	Open    bool      // the sockets are open on Link
	Receive string    // one of the api.Receive… modes
	Uneven  bool      // the packets of one super-frame of tx can get different verdicts
	Moved   bool      // the interface was in another network namespace, and is not set up again yet

	Bypasses []host.Bypass // of the routes that the user asked for
	Recorded bool          // somebody records each packet
	Replayed bool          // packets have the verdicts of a recording
}

// Step is what the device must do about the slave before anything else.
type Step int

// The steps. After ReleaseSlave and AttachSlave the device must look at the host once more.
const (
	KeepSlave    Step = iota // nothing to do
	ReleaseSlave             // the link of the slave is gone
	AttachSlave              // the link of the slave is back
)

// Wanted is the state that the device and the interface should have.
type Wanted struct {
	Step   Step
	Link   host.Link // of the slave: the link to attach, or the present state of the link
	Queues int       // transmit queues of Link

	SkipQdisc bool // the interface should have no queueing discipline
	Renew     bool // the interface is back from another network namespace and must be set up again

	Claims      kern.Claims // nil: no change
	Idle        string      // why nothing is taken; "": what was asked for is taken
	Armed       bool        // the kernel takes frames from the slave as long as the relay of rx works
	Promiscuous bool        // the slave should receive frames for other link-layer addresses

	RelayTX, RelayRX string // why the relay carries everything; "": the kernel may carry

	Warnings []api.Warning // problems that are shown to the user
}

// Decide computes the wanted state of a device on a host. It is a pure function, and may be
// called by any goroutine.
func Decide(c Config, o observe.Host) (w Wanted) {
	w.Link, w.Queues, w.Step = c.Link, c.Queues, decideSlave(c, o.Slave)
	if w.Step == AttachSlave || o.Slave.Bound {
		w.Link, w.Queues = o.Slave.Link, o.Slave.Queues
	}
	if w.Step != KeepSlave {
		return w // the device looks at the host once more after this step
	}
	self := o.Interface
	w.SkipQdisc = self.Spare
	w.Renew = (c.Moved || self.Returned) && !self.Away && self.Err == nil
	w.Idle = idleReason(c, self)
	w.Armed = c.Receive != api.ReceiveNone && w.Idle == ""
	// Promiscuous mode of the interface means that somebody wants frames for other
	// link-layer addresses: a bridge that the interface is part of, or tcpdump.
	w.Promiscuous = self.Link.Promiscuity > 0 &&
		(c.Receive == api.ReceiveAll || c.Receive == api.ReceiveAuto && self.Link.Master != 0)
	w.Claims = o.Ownership.Claims
	c.Link, c.Queues = w.Link, w.Queues
	w.RelayTX = noFastTX(c, o)
	w.RelayRX = noFastRX(c, w.Idle, o)
	w.Warnings = Warnings(c, o)
	return w
}

// decideSlave keeps a slave as long as its sockets are on its link. After an error of the
// look-up nothing changes.
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

// idleReason returns why the device can take no frames; "" if it can. While the interface
// is down it takes none: a user who sets the interface down expects that the slave works as
// before.
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

// noFastTX returns why the kernel must leave tx to the relay; "" if it need not. The kernel
// may carry tx only if the result is exactly the relay's. Frames of the fast path bypass
// the queue of the interface and a hook of the slave, so the relay must carry everything if
// a user watches, shapes or filters the traffic there.
func noFastTX(c Config, o observe.Host) string {
	switch state := SlaveState(c.Slave, c.Open, c.Link); {
	case state == api.SlaveNone:
		return "there is no slave"
	case state != api.SlaveUp:
		return c.Slave + " is " + state
	case c.Link.IsDevice():
		return c.Slave + " is a device itself"
	case o.Interface.Away:
		return "the interface is not in this network namespace"
	case c.Moved:
		return movedReason
	case c.Queues > 1 && c.Uneven:
		// The relay's socket and the host's may choose different queues.
		return fmt.Sprintf("%s has %d transmit queues, in which packets of one super-frame could overtake the next", c.Slave, c.Queues)
	}
	return cmp.Or(recordedReason(c), o.Interface.Watched, o.Slave.Watched)
}

// noFastRX returns why the kernel must leave rx to the relay; "" if it need not.
func noFastRX(c Config, idle string, o observe.Host) string {
	switch {
	case c.Receive == api.ReceiveNone:
		return "receive none: nothing but what neighbours say"
	case o.Interface.Away:
		return "the interface is not in this network namespace"
	case c.Moved:
		return movedReason
	}
	return cmp.Or(idle, recordedReason(c), o.Interface.Guarded, o.Slave.Guarded)
}

// recordedReason is why nothing is carried by the kernel while somebody records, or a recording is
// replayed; "" if neither is so.
func recordedReason(c Config) string {
	switch {
	case c.Replayed:
		return "replay: the relay gives each packet its recorded verdict"
	case c.Recorded:
		return "recorded: insanely record sees each packet in the relay"
	}
	return ""
}

// movedReason is why nothing is carried by the kernel between the return of the interface
// and the moment at which its programs are attached again.
const movedReason = "the interface was moved, and its programs are not attached again"

// SlaveState returns one of the api.Slave… states, for a slave with this name and link.
// open: the sockets are open on the link.
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
