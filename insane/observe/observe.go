// Package observe looks at the host that a device runs on, and says what the device
// has to know of it. It changes nothing.
//
// The file is observe.go: the parts of the host, and a look at each of them.
package observe

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/ownership"
)

// Parts are the parts of the host that a device looks at.
type Parts uint8

const (
	PartInterface Parts = 1 << iota // the interface of the device
	PartSlave                       // the link of the slave
	PartRoutes                      // what the routes through the device are to be
	PartOwnership                   // everything that decides whose a received frame is
	Everything    = PartInterface | PartSlave | PartRoutes | PartOwnership
)

// Host is what the host was like when it was looked at. Decisions go by it
// alone. It is a value: a pass changes its own copy.
type Host struct {
	Interface Interface
	Slave     Slave
	Routes    []Route // nil: nobody has looked since they were applied
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

// Route is a route through the device.
type Route struct {
	Want host.Route // with what it borrows from the slave's addresses now
	Lost bool       // the kernel has removed it, with an address that it preferred
}

// Ownership are what the host makes the property of the device.
type Ownership struct {
	Claims kern.Claims // nil: nobody has looked
	Err    error       // of the look-up; set is then as it was before
}

// Observer looks at the host for a device. Its fields say what it needs to know of
// the device; they are a copy, so that a look needs no lock of the device. It holds
// nothing of its own.
type Observer struct {
	Name   string // of the device
	Links  *host.Links
	Iface  *host.Interface
	Index  int  // of the interface
	Fast   bool // the device has a fast path
	Clsact bool // its programs are in a clsact qdisc

	Slave   string         // name of the slave; "": none was given yet
	Sockets Sockets        // on the slave; nil if it is gone
	On      int            // index of the link that Sockets were opened on
	Routes  []netip.Prefix // that were asked for
	Takes   bool           // the receive mode takes frames
}

// Sockets are the packet sockets on the slave.
type Sockets interface {
	// Bound reports whether the sockets are still on the link.
	Bound() bool
}

// Look looks at some parts of the host anew; the others stay as they were seen.
// It may wait for the kernel as long as others hold the lock of the network
// configuration, and takes long on a host with many routes.
func (o *Observer) Look(which Parts, seen Host) Host {
	if which&PartInterface != 0 {
		seen.Interface = o.observeInterface(seen.Interface)
	}
	if which&PartSlave != 0 {
		seen.Slave = o.observeSlave()
	}
	if which&PartRoutes != 0 {
		seen.Routes = o.observeRoutes()
	}
	if which&PartOwnership != 0 && o.Takes {
		seen.Ownership = o.observeOwnership(seen.Ownership)
	}
	return seen
}

// observeInterface looks at the interface. After an error the relay carries
// everything until a later look succeeds.
func (o *Observer) observeInterface(before Interface) Interface {
	s, err := o.lookUpInterface()
	if err != nil {
		s = before
		s.Err, s.Watched = err, err.Error()
	}
	return s
}

func (o *Observer) lookUpInterface() (s Interface, err error) {
	link, err := o.Links.ByIndex(o.Index)
	if errors.Is(err, host.ErrNoLink) {
		return Interface{Away: true, Down: true}, nil
	}
	if err != nil {
		return s, fmt.Errorf("look up the interface: %w", err)
	}
	s.Link, s.Down = link, !link.Up
	if !o.Fast {
		return s, nil
	}
	if s.Listened, err = host.Listens(link.Index); err != nil {
		return s, err
	}
	watchers := link.Promiscuity
	if link.Master != 0 {
		watchers-- // a bridge is promiscuous itself
	}
	switch {
	case watchers > 0:
		s.Watched = "somebody watches " + link.Name + " (promiscuous mode)"
	case s.Listened:
		s.Watched = "a packet socket listens on " + link.Name
	default:
		err = o.observeEgress(&s)
	}
	return s, err
}

// observeEgress finds out what else has to do with what the interface sends. If
// somebody deletes a queueing discipline of theirs, the kernel puts one of its own
// choice there, which is not for anybody.
func (o *Observer) observeEgress(s *Interface) error {
	found, err := o.Links.Egress(s.Link.Index, o.Clsact)
	if err != nil || found == "" {
		return err
	}
	s.Watched = s.Link.Name + " has " + found
	s.Spare, err = o.Links.QdiscByDefault(s.Link.Index)
	return err
}

// observeSlave looks for the link of the slave. The number of its queues comes
// first: the state of the link is to be used as soon as it is known.
func (o *Observer) observeSlave() (s Slave) {
	if o.Slave == "" {
		return s
	}
	if o.Sockets == nil {
		return foundLink(o.Links.ByName(o.Slave))
	}
	queues := host.TxQueues(o.Slave)
	s = foundLink(o.Links.ByIndex(o.On))
	s.Bound, s.Queues = s.Found && o.Sockets.Bound(), queues
	return s
}

func foundLink(link host.Link, err error) Slave {
	if errors.Is(err, host.ErrNoLink) {
		err = nil
	} else if err == nil {
		return Slave{Link: link, Found: true}
	}
	return Slave{Err: err}
}

// observeRoutes finds out what the routes are to be, and which are missing.
func (o *Observer) observeRoutes() []Route {
	list := make([]Route, 0, len(o.Routes))
	for _, dst := range o.Routes {
		s := Route{Want: host.Route{Dst: dst}}
		if o.Sockets != nil {
			s.Want = o.Links.Borrow(dst, o.On)
		}
		if s.Want.Source.Is4() {
			there, err := o.Iface.HasRoute(dst)
			s.Lost = err == nil && !there
		}
		list = append(list, s)
	}
	return list
}

// observeOwnership reads the links, addresses and routes of the host.
func (o *Observer) observeOwnership(before Ownership) Ownership {
	var h ownership.HostState
	var err error
	if h.Links, err = o.Links.All(); err != nil {
		return Ownership{Claims: before.Claims, Err: err}
	}
	if h.Addresses, err = o.Links.Addresses(); err != nil {
		return Ownership{Claims: before.Claims, Err: err}
	}
	if h.Routes, err = o.Links.Routes(); err != nil {
		return Ownership{Claims: before.Claims, Err: err}
	}
	h.IgnoresARP = host.IgnoresARP(o.Name)
	return Ownership{Claims: h.Claims(o.Index)}
}
