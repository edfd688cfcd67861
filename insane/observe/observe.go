// Package observe reads the part of the host's state that a device needs. It changes
// nothing.
//
//	observe.go  Observer reads each part of the host
//	hooks.go    what works on frames where only one of the two paths comes by
//	tables.go   the links, addresses and routes of the host, kept up to date
//	owner.go    the claims that follow from these tables
//	seen.go     Host, the result
//	replies.go  whether anything comes back, and what may keep it away
package observe

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
)

// Observer looks at the host for a device. Its fields describe the device; they are a copy,
// so that a look needs no lock of the device. An Observer owns no resources.
type Observer struct {
	Name   string // of the device
	Links  *host.Links
	Iface  *host.Interface
	Index  int    // of the interface; -1 while it is away
	Chains Chains // nil: there is no fast path

	Slave   string         // name of the slave; "": none was given yet
	Sockets Sockets        // on the slave; nil if the slave is gone
	On      int            // index of the link that Sockets were opened on
	Routes  []netip.Prefix // the destinations that the user asked for
	Takes   bool           // the receive mode takes frames
	Kernel  *kern.Objects  // that the claims are for; nil: none are loaded

	WasDown bool           // an event says that the interface was down, even if only for a moment
	WasAway bool           // an event says that the interface was in another namespace, even if only for a moment
	NoIPv6  bool           // an event says that it was without IPv6
	Deleted []netip.Prefix // events say that somebody has deleted these routes of the device's
	Read    *Ownership     // the tables, if they are already read; nil: Look reads all tables again
}

// Sockets are the packet sockets on the slave. port.Slave implements it.
type Sockets interface {
	// Bound reports whether the link that the sockets were opened on still exists.
	Bound() bool
}

// Look looks at the parts in which, and copies the other parts from seen. An error of a
// look-up is in the Err field of its part. Look waits for the kernel's lock on network
// configuration, which another process may hold, and takes long on a host with many routes.
// Call it without a lock.
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
	switch {
	case which&PartSlave != 0:
		seen.Slave = o.observeSlave(seen.Slave)
	case which&PartNFTables != 0:
		o.observeChains(&seen.Slave)
	}
	return seen
}

// observeInterface looks at the interface. After an error the relay carries everything
// until a later look succeeds.
func (o *Observer) observeInterface(before Interface) Interface {
	s, err := o.lookUpInterface()
	if err != nil {
		s = before
		s.Err, s.Watched, s.Guarded = err, err.Error(), err.Error()
	}
	// A link gets another index only on its way to another namespace or back.
	moved := before.Link.Index > 0 && s.Link.Index != before.Link.Index
	s.Altered = s.Altered || before.Link.Queues > 0 && s.Link.Queues != before.Link.Queues
	s.Returned = !s.Away && (before.Away || before.Returned || o.WasAway || moved)
	return s
}

func (o *Observer) lookUpInterface() (s Interface, err error) {
	link, err := o.Iface.Look()
	if errors.Is(err, host.ErrAway) {
		return Interface{Away: true, Condition: host.Condition{WasDown: true}}, nil
	}
	if err != nil {
		return s, fmt.Errorf("look up the interface: %w", err)
	}
	intact, err := o.Iface.Intact()
	if err != nil {
		return s, err
	}
	s.Altered = !intact || link.Persists
	no6 := host.WithoutIPv6(link.Name)
	s.Link, s.Condition = link, host.Condition{Up: link.Up, WasDown: !link.Up || o.WasDown, NoIPv6: no6, WasBare: no6 || o.NoIPv6}
	if o.Chains != nil {
		err = o.observeHooks(&s)
	}
	return s, err
}

// observeSlave looks for the link of the slave. It asks for the number of queues first, so
// that the state of the link is as fresh as possible when it is used. After an error the
// hooks are those of the look before.
func (o *Observer) observeSlave(before Slave) (s Slave) {
	if o.Slave == "" {
		return s
	}
	if o.Sockets == nil {
		return foundLink(o.Links.ByName(o.Slave))
	}
	name, queues := o.Slave, host.TxQueues(o.Slave)
	s = foundLink(o.Links.ByIndex(o.On))
	if s.Found && s.Link.Name != name { // renamed: another link may have the name
		queues = host.TxQueues(s.Link.Name)
	}
	s.Bound, s.Queues = s.Found && o.Sockets.Bound(), queues
	if s.Found {
		s.Settings, _ = o.Links.Settings(s.Link) // without them the interface keeps its own
	}
	if s.Err != nil {
		s.Watched, s.Guarded, s.Ahead = before.Watched, before.Guarded, before.Ahead
	}
	o.observeSlaveHooks(&s)
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

// observeRoutes finds out which routes the device should have, and which of them are
// missing.
func (o *Observer) observeRoutes() []host.RouteState {
	var link host.Link
	err := host.ErrNoLink
	if o.Sockets != nil {
		link, err = o.Links.ByIndex(o.On)
	}
	list := make([]host.RouteState, 0, len(o.Routes))
	for _, dst := range o.Routes {
		s := host.RouteState{Want: host.Route{Dst: dst}, Blind: err != nil || !link.Up}
		if !s.Blind {
			s.Want, s.Way = o.Links.Borrow(dst, o.On)
		}
		s.Lost = o.Iface.Lost(dst)
		if b, ok := o.Iface.Bypass(dst); ok {
			s.Bypass = &b
		}
		s.Deleted = slices.ContainsFunc(o.Deleted, func(p netip.Prefix) bool {
			return p.Bits() <= dst.Bits()+1 && dst.Bits() <= p.Bits() && dst.Contains(p.Addr()) // one of its halves, too
		})
		list = append(list, s)
	}
	return list
}

// Affected returns the parts that events may have changed. PartOwnership is not among them:
// Tables.Note reports that. It waits for nothing.
func (o *Observer) Affected(e host.Events) (which Parts) {
	if e.Lost {
		return Everything &^ PartOwnership
	}
	if o.resets(e) {
		which |= PartSlave
	}
	for _, l := range e.Links {
		if l.Link.Index == o.Index || o.Index < 0 && !l.Gone { // a new link may be the interface, with any index
			which |= PartInterface | PartRoutes
		}
		if l.Link.Index == o.On || l.Link.Name == o.Slave {
			which |= PartSlave | PartRoutes
		}
	}
	// With its link-local address, the interface loses IPv6 and gets it back.
	if e.NoIPv6 || slices.ContainsFunc(e.Addresses, func(a host.AddressEvent) bool { return a.Link == o.Index && a.Prefix.Addr().IsLinkLocalUnicast() }) {
		which |= PartInterface | PartRoutes
	}
	if slices.Contains(e.Control, o.Index) || slices.Contains(e.Control, host.AnyLink) {
		which |= PartInterface
	}
	if e.NFTables && o.Chains != nil {
		which |= PartNFTables
	}
	if e.Rules || len(o.Routes) > 0 && (e.Foreign || len(e.Deleted) > 0) || slices.ContainsFunc(e.Addresses, o.sourceFor) {
		which |= PartRoutes
	}
	return which
}

// Reowns reports whether events may change who owns a received frame although the tables of
// the host stay as they are. It waits for nothing.
func (o *Observer) Reowns(e host.Events) bool { return e.Lost || o.resets(e) }

// resets reports whether events say that settings of the interface or of the slave changed.
func (o *Observer) resets(e host.Events) bool {
	return slices.ContainsFunc(e.Settings, func(index int) bool {
		return index == o.Index || index == o.On || index == host.AnyLink
	})
}

// sourceFor reports whether packets through the slave may have the address of the event as
// their source, or had it. On a link other than the slave, that needs an address that is
// not link-local.
func (o *Observer) sourceFor(a host.AddressEvent) bool {
	return a.Link == o.On || !a.Prefix.Addr().IsLinkLocalUnicast()
}

// Tell makes events known to the observer that leave no trace on the host.
func (o *Observer) Tell(e host.Events) {
	own := func(l host.LinkEvent) bool { return l.Link.Index == o.Index }
	o.WasDown = slices.ContainsFunc(e.Links, func(l host.LinkEvent) bool { return own(l) && l.Down })
	o.WasAway = slices.ContainsFunc(e.Links, func(l host.LinkEvent) bool { return own(l) && l.Left })
	o.NoIPv6, o.Deleted = e.NoIPv6, e.Deleted
}
