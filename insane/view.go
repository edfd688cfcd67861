package insane

import (
	"context"
	"time"

	"github.com/seed-39a139a1/insane/insane/port"
)

// view is what the device sees of its own interface.
type view struct {
	queue   int    // frames that its queue has room for
	away    bool   // it is not in this network namespace
	watched string // why what it sends must pass the interface
}

// look finds out what there is to see of the interface.
func (h *host) look() (v view, err error) {
	link, err := h.links.ByIndex(h.tap.Index())
	if err != nil {
		return view{away: true}, nil
	}
	v.queue = link.QueueLen
	watchers := link.Promiscuity
	if link.Master != 0 {
		watchers-- // a bridge is promiscuous itself
	}
	if watchers > 0 {
		v.watched = "somebody watches " + link.Name + " (promiscuous mode)"
		return v, nil
	}
	listens, err := port.Listens(link.Index)
	if err != nil {
		return v, err
	}
	if listens {
		v.watched = "a packet socket listens on " + link.Name
		return v, nil
	}
	egress, err := h.links.Egress(link.Index, h.path.clsact)
	if err == nil && egress != "" {
		v.watched = link.Name + " has " + egress
	}
	return v, err
}

// review steers if what there is to see of the interface has changed. The caller
// holds d.mu.
func (d *Device) review(v view, err error) {
	if err != nil {
		d.log.Error("look at the interface", "err", err)
		v.watched = err.Error()
	}
	h := d.host
	if v == h.path.view {
		return
	}
	h.path.view = v
	if !v.away {
		h.path.queue.Room(v.queue)
	}
	d.steer()
}

// minding is how often the device looks at what raises no event: who listens on a
// socket, what was lost in the kernel.
const minding = leaseBeat

// mind does it until ctx ends.
func (d *Device) mind(ctx context.Context) {
	if d.queue() == nil {
		return
	}
	ticker := time.NewTicker(minding)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		v, err := d.host.look()
		d.mu.Lock()
		if !d.closed {
			d.review(v, err)
			d.settleLanes()
		}
		d.mu.Unlock()
	}
}

// settleLanes lets the lanes know what got lost: the relay will never have it.
func (d *Device) settleLanes() {
	d.host.path.queue.Settle(d.tx.since.Load() == 0)
	d.rx.lane.Settle()
	if s := &d.host.slave; s.berth != nil {
		s.berth.Lost(s.port.Overruns())
		s.berth.Settle(d.rx.since.Load() == 0)
	}
}
