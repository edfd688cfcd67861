package observe

import (
	"runtime/debug"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/ownership"
)

// observeOwnership computes the claims of the device from the state of the host. If the host
// has many routes, it leaves that to those who call ReadOwnership after each event.
func (o *Observer) observeOwnership(before Ownership) Ownership {
	read := o.Read
	switch {
	case read == nil && before.Claims != nil && before.Routes > manyRoutes:
		return before
	case read == nil:
		now := o.ReadOwnership(new(Tables))
		read = &now
	}
	if read.Err != nil {
		before.Err = read.Err
		return before
	}
	return *read
}

// sparing is how much the heap may grow while many routes are read, in per cent of what is
// in use.
const sparing = 25

// ReadOwnership reads the tables through t and computes the claims. It waits for the
// kernel, and takes long on a host with many routes. One goroutine at a time may call it
// for one t. If there are many routes, it also makes the claims ready for the kernel, and
// gives the memory back that it needed meanwhile.
func (o *Observer) ReadOwnership(t *Tables) Ownership {
	if t.last.Routes > manyRoutes { // spare memory, not time
		defer debug.SetGCPercent(debug.SetGCPercent(sparing))
	}
	h, err := t.Read(o.Links)
	if err != nil {
		return Ownership{Err: err}
	}
	h.Slave = o.On
	for index, on := range map[int]*host.Answering{o.Index: &h.OnDevice, o.On: &h.OnSlave} {
		if link, ok := h.Link(index); ok {
			*on = host.AnsweringOn(link.Name)
		}
	}
	if h.Proxied, err = o.Links.Proxied(o.On); err != nil {
		return Ownership{Err: err}
	}
	read := t.last
	if claims := h.Claims(o.Index); read.Claims == nil || !claims.Equal(read.Claims) { // else everybody keeps the same map
		read = Ownership{Claims: claims, Takes: ownership.Describe(claims, ownership.MaxTakes)}
		if o.Kernel != nil && len(claims) > manyRoutes {
			if err := o.Kernel.Prepare(claims); err != nil {
				return Ownership{Err: err}
			}
		}
	}
	if read.Routes = len(h.Routes); read.Routes > manyRoutes {
		debug.FreeOSMemory()
	}
	read.Above = h.Above(o.Index)
	t.last = read
	return read
}
