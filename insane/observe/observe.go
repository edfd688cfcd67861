// Package observe looks at the host that a device runs on, and says what the device
// has to know of it. It changes nothing.
//
//	observe.go  a look at each part of the host
//	tables.go   the links, addresses and routes of the host, kept up to date
//	seen.go     what was seen
package observe

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/seed-39a139a1/insane/insane/host"
)

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

	WasDown bool       // events say that the interface was down, if only for a moment
	Read    *Ownership // what was read already; nil: a look reads all tables anew
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
	if which&PartRoutes != 0 {
		seen.Routes = o.observeRoutes()
	}
	if which&PartOwnership != 0 && o.Takes {
		seen.Ownership = o.observeOwnership(seen.Ownership)
	}
	// Last, as what has been seen of it is to be used before it changes again.
	if which&PartSlave != 0 {
		seen.Slave = o.observeSlave()
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
	s.Link, s.Down = link, !link.Up || o.WasDown
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
func (o *Observer) observeRoutes() []host.RouteState {
	list := make([]host.RouteState, 0, len(o.Routes))
	for _, dst := range o.Routes {
		s := host.RouteState{Want: host.Route{Dst: dst}}
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

// observeOwnership finds out what the host makes the property of the device.
func (o *Observer) observeOwnership(before Ownership) Ownership {
	read := o.Read
	if read == nil {
		now := o.ReadOwnership(new(Tables))
		read = &now
	}
	if read.Err != nil {
		return Ownership{Claims: before.Claims, Err: read.Err}
	}
	return *read
}

// ReadOwnership reads the links, addresses and routes of the host through t.
func (o *Observer) ReadOwnership(t *Tables) Ownership {
	h, err := t.Read(o.Links, o.Name)
	if err != nil {
		return Ownership{Err: err}
	}
	return Ownership{Claims: h.Claims(o.Index)}
}

// Affected are the parts that events may have changed, but for PartOwnership, which
// Tables know about. It is a pure function.
func (o *Observer) Affected(e host.Events) (which Parts) {
	if e.Lost {
		return Everything &^ PartOwnership
	}
	for _, l := range e.Links {
		if l.Link.Index == o.Index {
			which |= PartInterface | PartRoutes
		}
		if l.Link.Index == o.On || l.Link.Name == o.Slave {
			which |= PartSlave | PartRoutes
		}
	}
	if slices.Contains(e.Control, o.Index) || slices.Contains(e.Control, host.AnyLink) {
		which |= PartInterface
	}
	if e.Rules || slices.ContainsFunc(e.Addresses, o.sourceFor) {
		which |= PartRoutes
	}
	return which
}

// sourceFor reports whether packets through the slave may have an address as their
// source, or had it: of another link one that is not link-local.
func (o *Observer) sourceFor(a host.AddressEvent) bool {
	return a.Link == o.On || !a.Prefix.Addr().IsLinkLocalUnicast()
}

// DownIn reports whether the interface was down at some time, by events.
func (o *Observer) DownIn(e host.Events) bool {
	return e.Lost || slices.ContainsFunc(e.Links, func(l host.LinkEvent) bool { return l.Link.Index == o.Index && l.Down })
}
