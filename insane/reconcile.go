package insane

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
)

// follower keeps a device in line with its host, in one loop: what comes in is an
// event, a tick or what was read of the host's tables; what follows is one pass. The
// loop goes by the state that it finds, not by what an event says: events only say
// where to look, so one that is lost, or comes twice, does no harm.
//
// It has three goroutines beside each other. One receives events and notes them in
// the tables; most are about links that the device has nothing to do with, and end
// there. One makes the passes. One reads the tables of the host, which can take
// seconds where there are many routes, and must delay no pass.
type follower struct {
	device *Device
	events chan host.Events       // unbuffered: what comes during a pass is merged
	old    chan struct{}          // has a value if the tables are to be read
	read   chan observe.Ownership // what the tables say
	tables observe.Tables

	since  time.Time // when the second began in which the loop counts its passes
	passes int
}

// follow keeps the device in line with the host from now until ctx ends. It returns
// after the first pass, which comes when the watch is in place already: no change of
// the host is overlooked. The error is that of the watch.
func (d *Device) follow(ctx context.Context) error {
	f := &follower{
		device: d, events: make(chan host.Events), old: make(chan struct{}, 1), read: make(chan observe.Ownership),
	}
	watch, err := d.links.Watch(ctx, f.note, func(e host.Events) {
		select {
		case f.events <- e:
		case <-ctx.Done():
		}
	})
	if err != nil {
		return fmt.Errorf("watch the host: %w", err)
	}
	if d.path.exists() {
		d.ticker.Ask(d.due)
	}
	d.reconcile() // what happened before the watch was in place
	d.group.Go(func() { <-watch })
	d.group.Go(func() { f.loop(ctx) })
	d.group.Go(func() { f.readTables(ctx) })
	return nil
}

// How much longer than its last run a loop waits before the next, and at most:
// following a host that changes all the time must not cost a processor.
const (
	pauseFactor = 9
	passPause   = 50 * time.Millisecond
	passBurst   = 100         // passes a second without any pause
	tablesPause = time.Second // reading may be long on a host with many routes
)

// pause keeps a loop from taking more than its share of a processor: a tenth, unless
// one run takes very long. It waits in proportion to the time since began, unless ctx ends.
func pause(ctx context.Context, began time.Time, longest time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(min(pauseFactor*time.Since(began), longest)):
	}
}

// loop makes a pass after each event. What comes during a pass shares the next one,
// and in a storm of events so does what comes during the pause after it: then the
// passes cost no more than a tenth of a processor.
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
			d.pass(observe.PartInterface, nil)
			d.settleWaiting()
		case read := <-f.read:
			began = time.Now()
			d.pass(observe.PartOwnership, func(o *observe.Observer) { o.Read = &read })
		}
		if f.storm(began) {
			pause(ctx, began, passPause)
		}
	}
}

// storm reports whether more passes than passBurst began within the last second.
// Single events are followed at once: what the device shows must not lag behind.
func (f *follower) storm(began time.Time) bool {
	if began.Sub(f.since) > time.Second {
		f.since, f.passes = began, 0
	}
	f.passes++
	return f.passes > passBurst
}

// note takes events over into the tables, has the tables read if they are outdated,
// and reports whether the events are about a part that the device looks at itself. It
// waits for nothing.
func (f *follower) note(e host.Events) bool {
	d := f.device
	outdated := f.tables.Note(e)
	about := d.about.Load()
	if outdated && about.Takes {
		select {
		case f.old <- struct{}{}:
		default: // they will be read anyway
		}
	}
	return d.failed.Load() && e.BesideRoutes() || about.Affected(e) != 0
}

// passEvents makes a pass over the parts that events are about, or over everything if
// the last one has failed. The state of the slave is used at once: routes have a pass of
// their own behind it, as looking for them is long on a host with many.
func (f *follower) passEvents(e host.Events) {
	d := f.device
	about := d.about.Load()
	which := about.Affected(e)
	tell := func(o *observe.Observer) { o.WasDown = about.DownIn(e) }
	if d.failed.Load() {
		d.pass(observe.ByLoop, tell)
		return
	}
	if quick := which &^ observe.PartRoutes; quick != 0 {
		d.pass(quick, tell)
	}
	if which&observe.PartRoutes != 0 {
		d.pass(observe.PartRoutes, nil)
	}
}

// readTables reads the tables of the host whenever they are outdated. It is beside
// the loop, which must not wait for it. A failure is passed on like a result: the
// claims in force stay, and the next event has everything read anew.
func (f *follower) readTables(ctx context.Context) {
	d := f.device
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.old:
		}
		began := time.Now()
		select {
		case f.read <- d.about.Load().ReadOwnership(&f.tables):
		case <-ctx.Done():
			return
		}
		pause(ctx, began, tablesPause)
	}
}

// rounds bounds how often a pass is repeated because it has changed what it had
// seen, or because a change came in between. The next event begins a new pass.
const rounds = 8

// reconcile brings the device in line with the host as it is now, without any event.
func (d *Device) reconcile() { d.pass(observe.Everything, nil) }

// pass looks at parts of the host without the device's lock, decides, and applies
// the difference. If a step has changed what was seen, all parts are looked at once
// more. tell, if not nil, tells the observer what is known already. A change of the
// slave or of the receive mode that comes between the look and the decision makes the
// look worthless, and it is repeated. One goroutine may call it at a time, as what
// was seen last counts.
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
		again := !outdated && !d.closed && d.apply(seen)
		closed := d.closed
		d.mu.Unlock()
		if closed || !outdated && !again {
			return
		}
		which = observe.Everything
	}
}

// settleWaiting says to the kernel which frames got lost: the relay will never have
// them. Until it knows, the fast path stays closed, as later frames must not overtake
// those.
func (d *Device) settleWaiting() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.path.settle(d.tx.Idle())
	d.rx.SettleKernel()
	d.slave.Settle(d.rx.Idle())
}
