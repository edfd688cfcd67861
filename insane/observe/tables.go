package observe

import (
	"maps"
	"slices"
	"sync"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/ownership"
)

// Tables are the links, addresses and routes of the host. Events keep links and
// addresses up to date; the list of routes, of which some go without an event, is read
// again if it may have changed, and everything if events were lost. The zero value has read nothing yet. Note and Read may be called
// by two goroutines at the same time.
type Tables struct {
	mu        sync.Mutex
	links     map[int]host.Link // nil: to be read again
	addresses map[host.Address]bool
	routes    []host.RouteEntry

	oldRoutes bool // to be read again
	reading   bool // lists of all links and addresses are being read
}

// Note takes events over and reports whether they can change whose a received frame
// is. It waits for nothing.
func (t *Tables) Note(e host.Events) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Lost {
		t.links = nil
	}
	if t.links == nil {
		return true
	}
	for _, l := range e.Links {
		if l.Gone && t.reading {
			t.links = nil // the list may have the link still
			return true
		}
		changed = t.noteLink(l) || changed
	}
	for _, a := range e.Addresses {
		if a.Gone && t.reading {
			t.links = nil
			return true
		}
		changed = t.noteAddress(a) || changed
	}
	t.oldRoutes = t.oldRoutes || e.Routes
	return changed || t.oldRoutes
}

// noteAddress takes over what happened to one address. The kernel takes away the IPv4
// routes that prefer an address that goes, without an event.
func (t *Tables) noteAddress(e host.AddressEvent) (changed bool) {
	known := t.addresses[e.Address]
	if e.Gone {
		delete(t.addresses, e.Address)
		t.oldRoutes = t.oldRoutes || e.Prefix.Addr().Is4()
	} else {
		t.addresses[e.Address] = true
	}
	return known == e.Gone && t.relevant(e.Address)
}

// relevant reports whether an address can say anything of a received frame. A
// link-local one cannot, unless another link has it as well, or its own link may stand
// on the device: devices and masters of links may.
func (t *Tables) relevant(a host.Address) bool {
	link := t.links[a.Link]
	if !a.Prefix.Addr().IsLinkLocalUnicast() || link.IsDevice() {
		return true
	}
	for other := range t.addresses {
		if other.Link != a.Link && other.Prefix.Addr() == a.Prefix.Addr() {
			return true
		}
	}
	for _, l := range t.links {
		if l.Master == a.Link {
			return true
		}
	}
	return false
}

// noteLink takes over what happened to one link. The kernel takes away the IPv4
// routes through a link that goes down, without an event.
func (t *Tables) noteLink(e host.LinkEvent) (changed bool) {
	was, known := t.links[e.Link.Index]
	if e.Gone {
		delete(t.links, e.Link.Index)
	} else {
		t.links[e.Link.Index] = e.Link
	}
	if e.Down && known && t.routed(e.Link.Index) {
		t.oldRoutes = true
	}
	return known == e.Gone || known &&
		(was.Name != e.Link.Name || was.Alias != e.Link.Alias || was.Master != e.Link.Master)
}

// routed reports whether a route leads through a link.
func (t *Tables) routed(index int) bool {
	return slices.ContainsFunc(t.routes, func(r host.RouteEntry) bool {
		return slices.ContainsFunc(r.Hops, func(h host.Hop) bool { return h.Link == index })
	})
}

// readTries bounds how often the tables are read again because events were lost, or
// a link went, while they were read.
const readTries = 30

// Read brings the tables up to date and returns the state of the host. It may take
// long on a host with many routes, and fails if a list cannot be read; the next Read
// tries again. One goroutine may call it at a time.
func (t *Tables) Read(links *host.Links, name string) (h ownership.HostState, err error) {
	for range readTries {
		var done bool
		if h, done, err = t.read(links); err != nil || done {
			break
		}
	}
	h.IgnoresARP = host.IgnoresARP(name)
	return h, err
}

// read is one try of Read. done: nothing has come in between.
func (t *Tables) read(links *host.Links) (h ownership.HostState, done bool, err error) {
	t.mu.Lock()
	all := t.links == nil
	routes := all || t.oldRoutes
	t.oldRoutes = false
	if all { // for events that come during the lists
		t.links, t.addresses = make(map[int]host.Link), make(map[host.Address]bool)
	}
	t.reading = all
	t.mu.Unlock()
	h, err = list(links, all, routes)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reading = false
	if err != nil {
		t.links = nil
	}
	if t.links == nil {
		return h, false, err
	}
	for _, l := range h.Links {
		if _, newer := t.links[l.Index]; !newer {
			t.links[l.Index] = l
		}
	}
	for _, a := range h.Addresses {
		t.addresses[a] = true
	}
	if routes {
		t.routes = h.Routes
	}
	return ownership.HostState{
		Links: slices.Collect(maps.Values(t.links)), Addresses: slices.Collect(maps.Keys(t.addresses)), Routes: t.routes,
	}, true, nil
}

// list reads those of the tables that are wanted.
func list(l *host.Links, all, routes bool) (h ownership.HostState, err error) {
	if all {
		if h.Links, err = l.All(); err != nil {
			return h, err
		}
		if h.Addresses, err = l.Addresses(); err != nil {
			return h, err
		}
	}
	if routes {
		h.Routes, err = l.Routes()
	}
	return h, err
}
