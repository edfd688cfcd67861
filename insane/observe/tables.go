package observe

import (
	"maps"
	"slices"
	"sync"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/ownership"
)

// Tables are the links, addresses and routes of the host. Events keep links and addresses
// up to date. The kernel removes some routes without an event, so the list of routes is
// read again whenever it may have changed. If events were lost, all lists are read again.
// The zero value is empty; the first Read fills it. Note and Read may run at the same time.
type Tables struct {
	mu        sync.Mutex
	links     map[int]host.Link // nil: must be read again
	addresses map[host.Address]bool
	routes    []host.RouteEntry

	last Ownership // that ReadOwnership has returned

	oldRoutes bool // must be read again
	reading   bool // lists of all links and addresses are being read
}

// Note records events. It returns true if they can change who owns a received frame. It
// waits for nothing.
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
			t.links = nil // the list may still contain the link
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

// noteAddress records an event of one address. When an address is removed, the kernel
// removes the IPv4 routes that prefer it, without an event.
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

// relevant reports whether an address can matter for the owner of a received frame. A
// link-local address cannot, with two exceptions: another link has the same address, or the
// address is on a link that may be above the device. Devices and links with ports may be
// above it.
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

// noteLink records an event of one link. When a link goes down, the kernel removes the IPv4
// routes through it, without an event.
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
		(was.Name != e.Link.Name || was.Alias != e.Link.Alias || was.Master != e.Link.Master || was.Parent != e.Link.Parent)
}

// routed reports whether a route leads through a link.
func (t *Tables) routed(index int) bool {
	return slices.ContainsFunc(t.routes, func(r host.RouteEntry) bool {
		return slices.ContainsFunc(r.Hops, func(h host.Hop) bool { return h.Link == index })
	})
}

// readTries limits how often Read starts again because events were lost, or a link was
// deleted, during the read.
const readTries = 30

// Read brings the tables up to date and returns the state of the host. It waits for the
// kernel, and takes long on a host with many routes. It fails if a list cannot be read; the
// next Read tries again. The result is without what concerns one device alone. Only one
// goroutine may call it at a time.
func (t *Tables) Read(links *host.Links) (h ownership.HostState, err error) {
	for range readTries {
		var done bool
		if h, done, err = t.read(links); err != nil || done {
			break
		}
	}
	return h, err
}

// read is one attempt of Read. done is true if no event came in between.
func (t *Tables) read(links *host.Links) (h ownership.HostState, done bool, err error) {
	t.mu.Lock()
	all := t.links == nil
	routes := all || t.oldRoutes
	t.oldRoutes = false
	if all { // for events that come while the lists are read
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

// list reads the tables that are asked for.
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
		ownership.Sort(h.Routes)
	}
	return h, err
}
