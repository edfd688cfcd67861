package observe

import (
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Chains counts the programs of others that only one of the two paths meets. kern.Objects
// implements it.
type Chains interface {
	OneSided(c kern.Chain, link int) (int, error)
}

// observeHooks finds out which frames of the interface must not take the fast path, because
// somebody wants to see them, to queue them or to work on them where the fast path does not
// come by. The table of all hooks is in README.md of package kern.
func (o *Observer) observeHooks(s *Interface) (err error) {
	if s.Unheard, err = o.unheard(s.Link); err != nil {
		return err
	}
	if s.Watched, err = o.watched(s); err != nil {
		return err
	}
	s.Guarded = guarded(s)
	return nil
}

// unheard looks for what raises no event. It is called at each beat, so it asks for nothing
// else.
func (o *Observer) unheard(link host.Link) (u Unheard, err error) {
	u.XDP = link.XDP
	if u.Listened, err = host.Listens(link.Index); err != nil {
		return u, err
	}
	behind, err := o.Chains.OneSided(kern.ChainTransmit, link.Index)
	if err != nil {
		return u, err
	}
	ahead, err := o.Chains.OneSided(kern.ChainArrive, link.Index)
	u.Behind, u.Ahead = behind > 0, ahead > 0
	return u, err
}

// watched returns why what the host sends must pass the interface's own queue; "" if it
// need not.
func (o *Observer) watched(s *Interface) (why string, err error) {
	link := s.Link
	watchers := link.Promiscuity
	if link.Master != 0 {
		watchers-- // the bridge itself makes the link promiscuous
	}
	switch {
	case watchers > 0:
		return "somebody watches " + api.ShowName(link.Name) + " (promiscuous mode)", nil
	case s.Unheard.Listened:
		return "a packet socket listens on " + api.ShowName(link.Name), nil
	}
	found, err := o.Links.Egress(link.Index, kern.FilterName)
	if err != nil {
		return "", err
	}
	if found != "" {
		// If a user deletes a queueing discipline, the kernel installs a default one,
		// which nobody has configured.
		s.Spare, err = o.Links.QdiscByDefault(link.Index)
		return api.ShowName(link.Name) + " has " + found, err
	}
	if s.Unheard.Behind {
		return api.ShowName(link.Name) + " has a tcx program behind the fast path", nil
	}
	return "", nil
}

// guarded returns why what arrives must be written to the interface; "" if it need not. A
// generic XDP program would meet the frames of the fast path as well. But a frame that it
// drops would look like one that was lost on its way to the interface.
func guarded(s *Interface) string {
	switch {
	case s.Unheard.XDP:
		return api.ShowName(s.Link.Name) + " has an XDP program"
	case s.Unheard.Ahead:
		return api.ShowName(s.Link.Name) + " has a tcx program in front of the fast path"
	}
	return ""
}

// observeChains looks for chains of nftables at the slave. It does not wait for the kernel's
// lock on network configuration: a firewall should not be passed by for longer than needed.
func (o *Observer) observeChains(s *Slave) {
	if o.Chains == nil || !s.Found {
		return
	}
	s.Watched = ""
	switch egress, err := o.Links.EgressChain(s.Link.Name); {
	case err != nil:
		s.Watched = err.Error()
	case egress:
		s.Watched = api.ShowName(s.Link.Name) + " has a chain of nftables at egress"
	}
}

// observeSlaveHooks does for the slave what observeHooks does for the interface. After an
// error the relay carries everything until a later look succeeds.
func (o *Observer) observeSlaveHooks(s *Slave) {
	if o.Chains == nil || !s.Found {
		return
	}
	o.observeChains(s)
	var err error
	if s.Ahead, err = o.ahead(s.Link); err == nil && s.Ahead > 0 {
		var others int
		if others, err = o.otherDevices(s.Link.Name); err == nil && s.Ahead > others {
			s.Guarded = api.ShowName(s.Link.Name) + " has a tcx program in front of the receive filter"
		}
	}
	if err != nil {
		s.Guarded = err.Error()
	}
}

// ahead returns how many programs of others work on a frame that the slave has received
// before the device can take it. If the slave is a device, its programs come first.
func (o *Observer) ahead(slave host.Link) (int, error) {
	if slave.IsDevice() {
		return 0, nil
	}
	return o.Chains.OneSided(kern.ChainSteal, slave.Index)
}

// otherDevices returns how many other devices have the slave of this name. Each of them has
// a program in its chain, which takes only what is that device's.
func (o *Observer) otherDevices(slave string) (n int, err error) {
	links, err := o.Links.All()
	for _, l := range links {
		if name, ok := l.SlaveName(); ok && api.ReadName(name) == slave && l.Index != o.Index {
			n++
		}
	}
	return n, err
}

// Moved returns the parts in which something has changed since they were seen of which the
// kernel does not tell by an event: a packet socket was opened or closed, a program was
// attached by tcx or by a link of XDP. It returns the part of a look that failed, too. It
// waits like Look.
func (o *Observer) Moved(seen Host) (which Parts) {
	if o.Chains == nil {
		return 0
	}
	if seen.Interface.Err != nil || o.moved(seen.Interface) {
		which |= PartInterface
	}
	if seen.Slave.Bound {
		if ahead, err := o.ahead(seen.Slave.Link); err != nil || ahead != seen.Slave.Ahead {
			which |= PartSlave
		}
	}
	return which
}

// moved reports whether what raises no event has changed at the interface, or cannot be found
// out. It takes the link for the interface that had its index at the last look: another one is
// found by the look that follows.
func (o *Observer) moved(seen Interface) bool {
	if seen.Away {
		return false // an event tells when it is back
	}
	link, err := o.Links.ByIndex(seen.Link.Index)
	if err != nil {
		return true
	}
	now, err := o.unheard(link)
	return err != nil || now != seen.Unheard
}
