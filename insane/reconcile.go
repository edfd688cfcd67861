package insane

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
)

// follower keeps a device in line with its host, in one loop. The input of the loop is an
// event, a tick or new contents of the host's tables; each leads to one pass. A pass uses
// the state that it finds: an event only says where to look, so a lost or repeated event
// does no harm.
//
// It has three goroutines. The first receives events and notes them in the tables; most
// events are about links that do not concern the device, and it ignores those. The second
// makes the passes. The third reads the tables of the host: with many routes this takes
// seconds, and must not delay a pass.
type follower struct {
	device *Device
	events chan host.Events // unbuffered: events during a pass are merged
	old    chan struct{}    // has a value if the tables must be read
	read   chan reading     // the result of reading the tables
	tables observe.Tables
	bursts *rate.Limiter // allows a pass without a pause
}

// reading is the result of reading the tables, and Device.changes when the read began.
type reading struct {
	ownership observe.Ownership
	changes   uint64
}

// follow keeps the device in line with the host until ctx ends. It returns after the first
// pass. The watch is in place before that pass, so no change of the host is missed. An
// error means that the watch failed.
func (d *Device) follow(ctx context.Context) error {
	f := &follower{
		device: d, events: make(chan host.Events), old: make(chan struct{}, 1), read: make(chan reading),
		bursts: rate.NewLimiter(passBurst, passBurst),
	}
	wake := func(e host.Events) {
		select {
		case f.events <- e:
		case <-ctx.Done():
		}
	}
	watch, err := d.links.Watch(ctx, host.WatchOptions{Own: d.iface.Index(), Keep: f.note, Wake: wake})
	if err != nil {
		return fmt.Errorf("watch the host: %w", err)
	}
	d.mu.Lock()
	d.reread = f.request
	d.given.Doubt() // covers changes from before the watch: the interface may have been down since Open
	d.mu.Unlock()
	d.pass(observe.Everything, nil)
	f.request() // fills the tables
	d.group.Go(func() { <-watch })
	d.group.Go(func() { f.loop(ctx) })
	d.group.Go(func() { f.readTables(ctx) })
	return nil
}

// How much longer a loop waits than its last run took, and the longest such wait. On a host
// that changes all the time, they limit the CPU time of the device.
const (
	pauseFactor = 9
	passPause   = 50 * time.Millisecond
	passBurst   = 100         // passes a second without a pause: the shown state must not lag behind
	tablesPause = time.Second // reading takes long on a host with many routes
)

// pause keeps a loop below a tenth of a CPU: it waits in proportion to the time that the
// last run took, at most for longest. It returns early if ctx ends.
func pause(ctx context.Context, took, longest time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(min(pauseFactor*took, longest)):
	}
}

// loop makes a pass after each event. Events that come during a pass, or during the pause
// after it, share the next pass: a storm of events costs at most a tenth of a CPU.
func (f *follower) loop(ctx context.Context) {
	d := f.device
	for ctx.Err() == nil {
		var began time.Time
		select {
		case <-ctx.Done():
			return
		case e := <-f.events:
			began = time.Now()
			f.passEvents(e)
		case <-d.ticker.Due():
			began = time.Now()
			if which := d.due(); which != 0 {
				d.pass(which, nil)
				d.settleWaiting()
			}
		case read := <-f.read:
			began = time.Now()
			f.passTables(read)
		}
		if !f.bursts.Allow() {
			pause(ctx, time.Since(began), passPause)
		}
	}
}

// note records events in the tables and requests a read of the tables if they are outdated.
// It returns true if the events concern a part that the loop itself looks at. It never
// waits.
func (f *follower) note(e host.Events) bool {
	d := f.device
	about := d.about.Load()
	outdated := f.tables.Note(e) || about.Reowns(e)
	if outdated && about.Takes {
		f.request()
	}
	return d.failed.Load() && e.BesideRoutes() || about.Affected(e) != 0
}

// passEvents makes a pass over the parts that the events concern. If the last pass failed,
// it makes a pass over all parts.
func (f *follower) passEvents(e host.Events) {
	d := f.device
	about := d.about.Load()
	which := about.Affected(e)
	tell := func(o *observe.Observer) { o.Tell(e) }
	if d.failed.Load() {
		d.pass(observe.ByLoop, tell)
		return
	}
	if quick := which &^ observe.PartRoutes; quick != 0 {
		d.pass(quick, tell)
	}
	if which&observe.PartRoutes != 0 {
		d.pass(observe.PartRoutes, tell)
	}
}

// passTables makes a pass with what was read of the tables. If the device has changed its
// slave, its mode or its routes since the read began, it has the tables read again.
func (f *follower) passTables(r reading) {
	d := f.device
	d.mu.Lock()
	outdated := r.changes != d.changes
	d.mu.Unlock()
	if outdated {
		f.request()
		return
	}
	d.pass(observe.PartOwnership, func(o *observe.Observer) { o.Read = &r.ownership })
}

// request has the tables read. It never waits.
func (f *follower) request() {
	select {
	case f.old <- struct{}{}:
	default: // a read is already requested
	}
}

// readTables reads the tables of the host whenever they are outdated. It has its own
// goroutine, because the loop must not wait for it.
func (f *follower) readTables(ctx context.Context) {
	d := f.device
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.old:
		}
		if !d.about.Load().Takes {
			continue
		}
		d.mu.Lock()
		r := reading{changes: d.changes}
		d.mu.Unlock()
		began := time.Now()
		r.ownership = d.about.Load().ReadOwnership(&f.tables)
		took := time.Since(began) // without the time that the loop lets this wait
		select {
		case f.read <- r:
		case <-ctx.Done():
			return
		}
		pause(ctx, took, tablesPause)
	}
}

// rounds limits how often a pass is repeated because it has changed what it saw, or because
// a user's change came in between. The next event starts a new pass.
const rounds = 8

// pass looks at parts of the host without the device's lock, decides, and applies the
// difference. If a step has changed what was seen, it looks at all parts once more. tell may
// be nil; otherwise it gives the observer what is known, for the first look that is applied.
// pass repeats a look during which Device.changes grew. Only one goroutine may call it.
func (d *Device) pass(which observe.Parts, tell func(*observe.Observer)) {
	for range rounds {
		d.mu.Lock()
		o, seen, changes := d.observer(), d.seen, d.changes
		d.mu.Unlock()
		if tell != nil {
			tell(o)
		}
		seen = o.Look(which, seen)
		d.mu.Lock()
		outdated := changes != d.changes
		if which&observe.ByLoop == observe.ByLoop && !outdated {
			d.failed.Store(false) // all of it is tried again now
		}
		again := !outdated && d.apply(seen)
		d.mu.Unlock()
		if d.closed.Load() || !outdated && !again {
			return
		}
		if which = observe.Everything; !outdated {
			tell = nil // it is applied
		}
	}
}

// settleWaiting tells the kernel which frames are lost, so that the relay will never get
// them. Until then the fast path stays closed, because later frames must not overtake
// frames that may still come.
func (d *Device) settleWaiting() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed.Load() || !d.path.Exists() {
		return
	}
	d.path.Settle(d.tx.Idle())
	d.rx.SettleKernel()
	d.slave.Settle(d.rx.Idle())
}
