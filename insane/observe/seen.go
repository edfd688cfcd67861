package observe

import (
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/ownership"
)

// Parts are the parts of the host that a device looks at.
type Parts uint8

// The parts.
const (
	PartInterface Parts = 1 << iota // the interface of the device
	PartSlave                       // the link of the slave
	PartRoutes                      // the routes that should lead through the device
	PartOwnership                   // everything that decides who owns a received frame
	PartNFTables                    // the chains of nftables at the slave, which PartSlave includes

	// Everything is all parts.
	Everything = PartInterface | PartSlave | PartRoutes | PartOwnership | PartNFTables
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
	Link host.Link // zero if the interface is away
	Away bool      // the interface is not in this network namespace
	host.Condition
	Returned bool   // it is back from another network namespace; the device ends this when it has set it up again
	Watched  string // why what the host sends must pass its own queue; "": it need not
	Guarded  string // why what arrives must be written to it; "": it need not
	Spare    bool   // nobody has configured its queueing discipline
	Unheard  Unheard
	Err      error // of the look-up; then the other fields are those of the look before
}

// Unheard is what somebody can do at the interface without an event of the kernel. It is zero
// for a device without a fast path.
type Unheard struct {
	Listened bool // a packet socket listens
	Behind   bool // a tcx program works behind the fast path on what is sent
	XDP      bool // there is an XDP program
	Ahead    bool // a tcx program works in front of the fast path on what arrives
}

// Slave is the link of the slave: the link that the sockets are open on, or else the link
// that has the slave's name.
type Slave struct {
	Link     host.Link
	Found    bool
	Bound    bool          // the link was found, and the open sockets are on it
	Queues   int           // for transmitting
	Settings host.Settings // that the device shares; zero unless the link was found with open sockets

	Watched string // why what is sent must come from the device's socket; "": it need not
	Guarded string // why what arrives must go through the device's socket; "": it need not
	Ahead   int    // programs in front of the device's own at the ingress, other devices' included
	Err     error
}

// Ownership holds the claims that follow from the state of the host.
type Ownership struct {
	Claims kern.Claims     // nil: nobody has looked; must not be changed
	Takes  ownership.Takes // the claims in words
	Above  []string        // names of the VLANs and the like that stand on the interface
	Routes int             // how many routes the host has
	Err    error           // of the look-up; then the other fields are those of the look before
}

// manyRoutes are so many that a change that a user asks for does not wait until they are read.
const manyRoutes = 5000
