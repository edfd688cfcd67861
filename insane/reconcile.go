package insane

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-39a139a1/insane/insane/observe"
)

// follow keeps the device in line with the host from now until ctx ends.
func (d *Device) follow(ctx context.Context) error {
	links, err := d.links.Watch(ctx, d.reconcile)
	if err != nil {
		return fmt.Errorf("watch links: %w", err)
	}
	d.group.Go(func() { <-links })
	routes, err := d.links.WatchRoutes(ctx, func() { d.followHost(ctx) })
	if err != nil {
		return fmt.Errorf("watch routes: %w", err)
	}
	d.group.Go(func() { <-routes })
	d.group.Go(func() { d.mind(ctx) })
	// What happened before the watches were in place.
	d.reconcile()
	return nil
}

// rounds bounds how often a pass is repeated because it has changed what it had
// seen, or because a change came in between. The next event begins a new pass.
const rounds = 8

// reconcile brings the device in line with the host as it is now.
func (d *Device) reconcile() { d.pass(observe.Everything) }

// pass looks at parts of the host, without the device's lock, decides and applies
// the difference. If a step has changed what was seen, all parts are looked at once
// more.
func (d *Device) pass(which observe.Parts) {
	for range rounds {
		d.mu.Lock()
		o, seen, changes := d.observer(), d.seen, d.changes
		d.mu.Unlock()
		seen = o.Look(which, seen)
		d.mu.Lock()
		outdated := changes != d.changes
		again := !outdated && !d.closed && d.apply(seen)
		d.mu.Unlock()
		if !outdated && !again {
			return
		}
		which = observe.Everything
	}
}

// How much longer than its last look the device waits before it looks again, and
// at most: following a host with many routes that change all the time must not
// cost a processor.
const (
	ownershipPause     = 9
	longOwnershipPause = time.Second
)

// followHost follows what decides whose a received frame is, with the pause.
func (d *Device) followHost(ctx context.Context) {
	began := time.Now()
	d.pass(observe.PartInterface | observe.PartOwnership)
	select {
	case <-ctx.Done():
	case <-time.After(min(ownershipPause*time.Since(began), longOwnershipPause)):
	}
}

// mind sees until ctx ends to what raises no event.
func (d *Device) mind(ctx context.Context) {
	if !d.path.exists() {
		return
	}
	d.ticker.Ask(d.due)
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.ticker.Due():
		}
		d.pass(observe.PartInterface)
		d.mu.Lock()
		if !d.closed {
			d.settleWaiting()
		}
		d.mu.Unlock()
	}
}
