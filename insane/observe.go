package insane

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/ownership"
	"github.com/seed-39a139a1/insane/insane/port"
)

// parts are the parts of the host that a device looks at.
type parts uint8

const (
	partInterface parts = 1 << iota // the interface of the device
	partSlave                       // the link of the slave
	partRoutes                      // what the routes through the device are to be
	partOwnership                   // everything that decides whose a received frame is
	everything    = partInterface | partSlave | partRoutes | partOwnership
)

// observed is what the host was like when it was looked at. Decisions go by it
// alone. It is a value: a pass changes its own copy.
type observed struct {
	self      interfaceState
	slave     slaveLink
	routes    []routeState // nil: nobody has looked since they were applied
	ownership claims
}

// interfaceState is the device's own interface.
type interfaceState struct {
	link     host.Link // zero if the interface is away
	away     bool      // it is not in this network namespace
	down     bool      // it is down, or was down since the last pass
	listened bool      // a packet socket gets what it sends
	watched  string    // why what it sends must pass the interface; "": nobody would miss it
	spare    bool      // its queueing discipline is one that nobody has asked for
	err      error     // of the look-up; the rest is then as it was before
}

// slaveLink is the link of the slave: the one that the sockets are open on, or else
// the one that has the slave's name.
type slaveLink struct {
	link   host.Link
	found  bool
	bound  bool // found, and the open sockets are on it
	queues int  // for transmitting
	err    error
}

// routeState is a route through the device.
type routeState struct {
	want host.Route // with what it borrows from the slave's addresses now
	lost bool       // the kernel has removed it, with an address that it preferred
}

// claims are what the host makes the property of the device.
type claims struct {
	set kern.Claims // nil: nobody has looked
	err error       // of the look-up; set is then as it was before
}

// observer is what a look at the host needs to know of the device. It is a copy, so
// that nothing waits for the host while Device.mu is held.
type observer struct {
	name    string
	links   *host.Links
	iface   *host.Interface
	self    int  // index of the interface
	fast    bool // the device has a fast path
	clsact  bool // its programs are in a clsact qdisc
	slave   string
	index   int         // of the link that port is open on
	port    *port.Slave // nil if the slave is gone
	routes  []netip.Prefix
	takes   bool   // the receive mode takes frames
	changes uint64 // Device.changes
}

// observer is to be called with d.mu held.
func (d *Device) observer() *observer {
	return &observer{
		name: d.name, links: d.links, iface: d.iface, self: d.tap.Index(), fast: d.path.exists(), clsact: d.path.clsact,
		slave: d.slave.name, index: d.slave.link.Index, port: d.slave.port,
		routes: d.routes.wanted, takes: d.receive.takesFrames(), changes: d.changes,
	}
}

// observe looks at some parts of the host anew; the others stay as they were seen.
// It may wait for the kernel as long as others hold the lock of the network
// configuration, and takes long on a host with many routes.
func (o *observer) observe(which parts, seen observed) observed {
	if which&partInterface != 0 {
		seen.self = o.observeInterface(seen.self)
	}
	if which&partSlave != 0 {
		seen.slave = o.observeSlave()
	}
	if which&partRoutes != 0 {
		seen.routes = o.observeRoutes()
	}
	if which&partOwnership != 0 && o.takes {
		seen.ownership = o.observeOwnership(seen.ownership)
	}
	return seen
}

// observeInterface looks at the interface. After an error the relay carries
// everything until a later look succeeds.
func (o *observer) observeInterface(before interfaceState) interfaceState {
	s, err := o.lookUpInterface()
	if err != nil {
		s = before
		s.err, s.watched = err, err.Error()
	}
	return s
}

func (o *observer) lookUpInterface() (s interfaceState, err error) {
	link, err := o.links.ByIndex(o.self)
	if errors.Is(err, host.ErrNoLink) {
		return interfaceState{away: true, down: true}, nil
	}
	if err != nil {
		return s, fmt.Errorf("look up the interface: %w", err)
	}
	s.link, s.down = link, !link.Up
	if !o.fast {
		return s, nil
	}
	if s.listened, err = host.Listens(link.Index); err != nil {
		return s, err
	}
	watchers := link.Promiscuity
	if link.Master != 0 {
		watchers-- // a bridge is promiscuous itself
	}
	switch {
	case watchers > 0:
		s.watched = "somebody watches " + link.Name + " (promiscuous mode)"
	case s.listened:
		s.watched = "a packet socket listens on " + link.Name
	default:
		err = o.observeEgress(&s)
	}
	return s, err
}

// observeEgress finds out what else has to do with what the interface sends. If
// somebody deletes a queueing discipline of theirs, the kernel puts one of its own
// choice there, which is not for anybody.
func (o *observer) observeEgress(s *interfaceState) error {
	found, err := o.links.Egress(s.link.Index, o.clsact)
	if err != nil || found == "" {
		return err
	}
	s.watched = s.link.Name + " has " + found
	s.spare, err = o.links.QdiscByDefault(s.link.Index)
	return err
}

// observeSlave looks for the link of the slave. The number of its queues comes
// first: the state of the link is to be used as soon as it is known.
func (o *observer) observeSlave() (s slaveLink) {
	if o.slave == "" {
		return s
	}
	if o.port == nil {
		return foundLink(o.links.ByName(o.slave))
	}
	queues := host.TxQueues(o.slave)
	s = foundLink(o.links.ByIndex(o.index))
	s.bound, s.queues = s.found && o.port.Bound(), queues
	return s
}

func foundLink(link host.Link, err error) slaveLink {
	if errors.Is(err, host.ErrNoLink) {
		err = nil
	} else if err == nil {
		return slaveLink{link: link, found: true}
	}
	return slaveLink{err: err}
}

// observeRoutes finds out what the routes are to be, and which are missing.
func (o *observer) observeRoutes() []routeState {
	list := make([]routeState, 0, len(o.routes))
	for _, dst := range o.routes {
		s := routeState{want: host.Route{Dst: dst}}
		if o.port != nil {
			s.want = o.links.Borrow(dst, o.index)
		}
		if s.want.Source.Is4() {
			there, err := o.iface.HasRoute(dst)
			s.lost = err == nil && !there
		}
		list = append(list, s)
	}
	return list
}

// observeOwnership reads the links, addresses and routes of the host.
func (o *observer) observeOwnership(before claims) claims {
	var h ownership.HostState
	var err error
	if h.Links, err = o.links.All(); err != nil {
		return claims{set: before.set, err: err}
	}
	if h.Addresses, err = o.links.Addresses(); err != nil {
		return claims{set: before.set, err: err}
	}
	if h.Routes, err = o.links.Routes(); err != nil {
		return claims{set: before.set, err: err}
	}
	h.IgnoresARP = host.IgnoresARP(o.name)
	return claims{set: h.Claims(o.self)}
}
