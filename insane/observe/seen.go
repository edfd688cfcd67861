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
	PartRoutes                      // the routes that should lead through the device
	PartOwnership                   // everything that decides who owns a received frame

	// Everything is all parts.
	Everything = PartInterface | PartSlave | PartRoutes | PartOwnership
	// ByLoop is all parts that the loop looks at itself, without reading the whole tables.
	ByLoop = Everything &^ PartOwnership
)

// Host is the state of the host at the last look. Decisions use nothing else. It is a
// value: a pass changes its own copy.
type Host struct {
	Interface Interface
	Slave     Slave
	Routes    []host.RouteState // nil: nobody has looked since the routes were last applied
	Ownership Ownership
}

// Interface is the device's own interface.
type Interface struct {
	Link     host.Link // zero if the interface is away
	Away     bool      // the interface is not in this network namespace
	Down     bool      // it is down, or was down since the last pass
	NoIPv6   bool      // the kernel has no IPv6 on it at present
	WasBare  bool      // it has none, or had none since the last pass
	Listened bool      // a packet socket gets the frames that it sends
	Watched  string    // why its frames must pass its own queue; "": they need not
	Spare    bool      // nobody has configured its queueing discipline
	Err      error     // of the look-up; then the other fields are those of the look before
}

// Slave is the link of the slave: the link that the sockets are open on, or else the link
// that has the slave's name.
type Slave struct {
	Link     host.Link
	Found    bool
	Bound    bool          // the link was found, and the open sockets are on it
	Queues   int           // for transmitting
	Settings host.Settings // that the device shares; zero unless the link was found with open sockets
	Err      error
}

// Ownership holds the claims that follow from the state of the host.
type Ownership struct {
	Claims kern.Claims // nil: nobody has looked
	Err    error       // of the look-up; then the other fields are those of the look before
}
