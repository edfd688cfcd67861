package observe

import (
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
)

// Parts are the parts of the host that a device looks at.
type Parts uint8

// The parts.
const (
	PartInterface Parts = 1 << iota // the interface of the device
	PartSlave                       // the link of the slave
	PartRoutes                      // what the routes through the device are to be
	PartOwnership                   // everything that decides whose a received frame is
	Everything    = PartInterface | PartSlave | PartRoutes | PartOwnership
	ByLoop        = Everything &^ PartOwnership // what the loop looks at itself
)

// Host is what the host was like when it was looked at. Decisions go by it
// alone. It is a value: a pass changes its own copy.
type Host struct {
	Interface Interface
	Slave     Slave
	Routes    []host.RouteState // nil: nobody has looked since they were applied
	Ownership Ownership
}

// Interface is the device's own interface.
type Interface struct {
	Link     host.Link // zero if the interface is away
	Away     bool      // it is not in this network namespace
	Down     bool      // it is down, or was down since the last pass
	Listened bool      // a packet socket gets what it sends
	Watched  string    // why what it sends must pass the interface; "": nobody would miss it
	Spare    bool      // its queueing discipline is one that nobody has asked for
	Err      error     // of the look-up; the rest is then as it was before
}

// Slave is the link of the slave: the one that the sockets are open on, or else
// the one that has the slave's name.
type Slave struct {
	Link   host.Link
	Found  bool
	Bound  bool // found, and the open sockets are on it
	Queues int  // for transmitting
	Err    error
}

// Ownership are what the host makes the property of the device.
type Ownership struct {
	Claims kern.Claims // nil: nobody has looked
	Err    error       // of the look-up; set is then as it was before
}
