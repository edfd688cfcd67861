package insane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/policy"
)

// Options are what a device needs beside its two ports. The zero value is a
// plain wire on the system's clock.
type Options struct {
	Name   string             // of the interface, for State
	TX, RX policy.Policy      // of the two directions
	Seed   uint64             // of every draw
	Clock  func() policy.Time // CLOCK_MONOTONIC; nil: the system's
	Log    *slog.Logger       // nil: nothing is logged
}

// Device relays between the host and a slave. All methods are safe for
// concurrent use.
type Device struct {
	name   string
	log    *slog.Logger
	clock  func() policy.Time
	near   port.Port
	tx, rx *relay
	group  sync.WaitGroup // every goroutine of the device

	strangers rate.Sometimes // log lines about those who may not change anything

	shown atomic.Pointer[shown] // what State tells of the fields below

	mu      sync.Mutex // guards what follows; changes wait for each other, and for the kernel
	seed    uint64
	host    *host           // the interface in the kernel and its slave; nil between fakes
	rxEnded <-chan struct{} // closed when the relay of rx lets go of the last slave
	closed  bool
}

// New makes a device between two open ports, near the host's and far the
// slave's; far may be nil. It opens nothing, and Run closes both.
func New(near, far port.Port, o Options) *Device {
	d := newDevice(near, o)
	if far != nil {
		d.setEnd(&end{port: far})
		d.startRX(far, nil)
	}
	return d
}

func newDevice(near port.Port, o Options) *Device {
	if o.Clock == nil {
		o.Clock = port.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Device{
		name: o.Name, log: o.Log, clock: o.Clock, near: near, seed: o.Seed,
		strangers: rate.Sometimes{Interval: time.Second},

		tx: newRelay(o.Clock, o.Log.With("direction", "tx")),
		rx: newRelay(o.Clock, o.Log.With("direction", "rx")),
	}
	d.tx.to.Store(&end{why: dropNoSlave})
	d.rx.to.Store(&end{port: near})
	now := o.Clock()
	d.setRule(d.tx, o.TX, now)
	d.setRule(d.rx, o.RX, now)
	d.steer()
	return d
}

// Run relays until ctx ends or the interface is lost, and takes everything
// down. It returns nil if ctx ended it.
func (d *Device) Run(outer context.Context) error {
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	d.group.Go(func() {
		cancel(fmt.Errorf("read from %s: %w", d.name, d.tx.run(d.near, d.queue())))
	})
	err := d.serve(ctx, cancel)
	if err == nil {
		<-ctx.Done()
		if outer.Err() == nil {
			err = context.Cause(ctx)
		}
	}
	return errors.Join(err, d.Close())
}

// serve starts what a device in the kernel does beside relaying.
func (d *Device) serve(ctx context.Context, cancel context.CancelCauseFunc) error {
	if d.host == nil {
		return nil
	}
	links, err := d.host.links.Watch(ctx, d.reconcile)
	if err != nil {
		return fmt.Errorf("watch links: %w", err)
	}
	d.group.Go(func() { <-links })
	routes, err := d.host.links.WatchRoutes(ctx, func() { d.followHost(ctx) })
	if err != nil {
		return fmt.Errorf("watch routes: %w", err)
	}
	d.group.Go(func() { <-routes })
	d.group.Go(func() { d.mind(ctx) })
	// What happened before the watches were in place.
	d.reconcile()
	d.followOnce()
	// Last, so that a device that answers is a device that is complete.
	if d.host.control != nil {
		d.group.Go(func() {
			if err := d.serveControl(ctx, d.host.control); err != nil {
				cancel(fmt.Errorf("serve control socket: %w", err))
			}
		})
	}
	return nil
}

// Close takes the device down: the interface and with it its addresses and
// routes, the packet socket, the control socket. Run does it by itself.
func (d *Device) Close() error {
	err := d.near.Close()
	d.mu.Lock()
	d.closed = true
	if far := d.tx.to.Load().port; far != nil {
		err = errors.Join(err, far.Close())
	}
	if d.host != nil {
		err = errors.Join(err, d.host.close())
	}
	d.mu.Unlock()
	d.group.Wait()
	if d.host != nil {
		d.host.links.Close()
	}
	return err
}

// setEnd says where tx goes from now on.
func (d *Device) setEnd(e *end) { d.tx.to.Store(e) }

// startRX relays what arrives at far until far is closed. It begins when the
// relay has done with the slave before.
func (d *Device) startRX(far port.Port, berth *kern.Backlog) {
	before, ended := d.rxEnded, make(chan struct{})
	d.rxEnded = ended
	d.group.Go(func() {
		defer close(ended)
		if before != nil {
			<-before
		}
		if err := d.rx.run(far, berth); !errors.Is(err, os.ErrClosed) {
			d.log.Error("receive from slave", "err", err)
		}
	})
}

// rxIndex makes the draws of rx independent of those of tx, which are made with
// the seed itself: what a person sees of a device can be computed with package
// policy alone.
const rxIndex = 0

// setRule makes a direction carry out a policy whose phase begins at epoch.
func (d *Device) setRule(r *relay, p policy.Policy, epoch policy.Time) {
	seed := d.seed
	if r == d.rx {
		seed = policy.Subseed(seed, rxIndex)
	}
	if r.lane != nil {
		// Until steer opens it again, so that no frame meets the new rule in
		// the relay and a later one the old rule in the kernel.
		r.lane.Close()
	}
	r.rule.Store(&rule{policy: p, epoch: epoch, program: p.Compile(epoch, seed), next: r.next})
}

// renumber begins the packet numbers of a direction at 0 again, from the next rule
// on.
func (r *relay) renumber() {
	if r.lane != nil {
		r.next = r.lane.Numbers()
	} else {
		r.next = new(atomic.Uint64)
	}
}

// reseed compiles the present policy of a direction anew, with the seed of the
// device. Its phase goes on, its numbers do not.
func (d *Device) reseed(r *relay) {
	r.renumber()
	old := r.rule.Load()
	d.setRule(r, old.policy, old.epoch)
}
