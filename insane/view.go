package insane

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/insane/port"
)

// view is what the device sees of its own interface.
type view struct {
	queue    int    // frames that its queue has room for
	away     bool   // it is not in this network namespace
	listened bool   // a packet socket gets what it sends
	watched  string // why what it sends must pass the interface
}

// look finds out what there is to see of the interface.
func (h *host) look() (v view, err error) {
	link, err := h.links.ByIndex(h.tap.Index())
	if errors.Is(err, port.ErrNoLink) {
		return view{away: true}, nil
	}
	if err != nil {
		return view{}, fmt.Errorf("look up the interface: %w", err)
	}
	v.queue = link.QueueLen
	if v.listened, err = port.Listens(link.Index); err != nil {
		return v, err
	}
	watchers := link.Promiscuity
	if link.Master != 0 {
		watchers-- // a bridge is promiscuous itself
	}
	if watchers > 0 {
		v.watched = "somebody watches " + link.Name + " (promiscuous mode)"
		return v, nil
	}
	if v.listened {
		v.watched = "a packet socket listens on " + link.Name
		return v, nil
	}
	egress, err := h.egress(link.Index)
	if egress != "" {
		v.watched = link.Name + " has " + egress
	}
	return v, err
}

// egress says what else has to do with what the interface sends. Whoever deletes a
// queueing discipline of theirs leaves one that the kernel has chosen, which is not
// for anybody.
func (h *host) egress(index int) (string, error) {
	found, err := h.links.Egress(index, h.path.clsact)
	if err != nil || found == "" {
		return "", err
	}
	if byDefault, err := h.links.QdiscByDefault(index); err != nil || !byDefault {
		return found, err
	}
	if err := h.tap.SkipQdisc(); err != nil {
		return found, err
	}
	return h.links.Egress(index, h.path.clsact)
}

// review steers if what there is to see of the interface has changed. After a failed
// look the relay carries everything until a later look succeeds. The caller holds d.mu.
func (d *Device) review(v view, err error) {
	p := &d.host.path
	if err != nil {
		v = p.view
		v.watched = err.Error()
	}
	p.failed.Store(err != nil)
	if v == p.view {
		return
	}
	if err != nil {
		d.log.Error("look at the interface", "err", err)
	}
	p.see(v)
	d.steer()
}

// see takes a view over, with what follows from it alone.
func (p *path) see(v view) {
	p.view = v
	p.listened.Store(v.listened)
	if !v.away {
		p.queue.SetLimit(v.queue)
	}
}

// due says at each beat whether there is something that raises no event: somebody
// has begun or ceased to listen, the last look failed, or frames wait, which may have
// got lost.
func (d *Device) due() bool {
	listens, err := port.Listens(d.host.tap.Index())
	return err != nil || d.host.path.failed.Load() || listens != d.host.path.listened.Load() || d.tx.lane.Waiting() || d.rx.lane.Waiting()
}

// mind sees to it until ctx ends.
func (d *Device) mind(ctx context.Context) {
	if d.queue() == nil {
		return
	}
	d.host.heart.ask(d.due)
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.host.heart.call:
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
