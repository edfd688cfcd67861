package insane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/insane/control"
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insane/slave"
	"github.com/seed-39a139a1/insane/insane/watchdog"
	"github.com/seed-39a139a1/insane/policy"
)

// Device relays between the host and a slave. Exported methods are safe for
// concurrent use. No frame waits for mu, and neither does State: what the relays need
// of a change reaches them by atomic pointers, and what State needs is published as a
// whole. Nothing is looked up with mu held, but for a change that a person asks for.
type Device struct {
	name   string
	log    *slog.Logger
	clock  func() policy.Time
	near   port.Port
	tx, rx *relay.Relay
	group  sync.WaitGroup // every goroutine of the device

	// The device's presence in the kernel. New leaves it out.
	links   *host.Links
	tap     *port.TAP             // the same as near
	iface   *host.Interface       // what tap is in the kernel
	control *host.ControlListener // nil if none was asked for
	members *uint32               // the group that may make changes
	ticker  *watchdog.Ticker

	shown atomic.Pointer[shown]            // what State shows of the fields below
	about atomic.Pointer[observe.Observer] // what events can be about; nil between fakes
	lost  losses

	failed atomic.Bool // something of the last pass is to be tried again

	mu        sync.Mutex // guards what follows; changes wait for each other, and for the kernel
	seed      uint64
	addresses []netip.Prefix // that were asked for
	routes    host.GivenRoutes
	slave     slave.Slave
	alias     string    // name of the slave that the interface shows
	adopted   host.Link // MTU and link-layer address that the interface was given
	receive   receiving
	path      path
	seen      observe.Host   // the host, as of the last pass
	changes   uint64         // how often another slave or receive mode was taken
	missing   []netip.Prefix // of addresses, lost while it was down and not given back yet
	flushed   bool           // the interface was down since it was given its addresses and routes
	rxEnded   chan struct{}  // closed when the relay of rx lets go of the last slave
	closed    bool
}

// newDevice makes a device without a slave, which relays nothing before Run. The
// clock must be CLOCK_MONOTONIC where there is a fast path: the kernel has no other.
func newDevice(near port.Port, c Config) *Device {
	if c.Clock == nil {
		c.Clock = host.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	direction := func(name string) *relay.Relay {
		return relay.New(relay.Options{Clock: c.Clock, Log: c.Log.With("direction", name), Limit: watchdog.Limit})
	}
	d := &Device{
		name: c.Name, log: c.Log, clock: c.Clock, near: near, seed: c.Seed,
		tx: direction("tx"), rx: direction("rx"), ticker: watchdog.NewTicker(),
		receive: newReceiving(),
	}
	d.tx.SetEnd(d.slave.End())
	d.rx.SetEnd(&relay.End{Port: near})
	now := c.Clock()
	d.tx.SetPolicy(c.Policy, now, d.seedOf(d.tx))
	d.rx.SetPolicy(c.RXPolicy, now, d.seedOf(d.rx))
	d.publish()
	return d
}

// Run relays until ctx ends or the interface is lost, and takes observe.Everything
// down. It returns nil if ctx ended it.
func (d *Device) Run(outer context.Context) error {
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	d.group.Go(func() {
		cancel(fmt.Errorf("read from %s: %w", d.name, d.tx.Run(d.near, d.path.queue)))
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

// serve starts what a device in the kernel does beside relaying: it follows the host
// and answers on the control socket. What it starts ends with ctx, and Close waits
// for it. An error of the control socket ends the device through cancel.
func (d *Device) serve(ctx context.Context, cancel context.CancelCauseFunc) error {
	if d.tap == nil {
		return nil
	}
	if err := d.follow(ctx); err != nil {
		return err
	}
	// Last, so that a device that answers is a device that is complete.
	if d.control != nil {
		d.group.Go(func() {
			o := control.Options{Name: d.name, Group: d.members, Log: d.log}
			if err := control.Serve(ctx, d.control, d, o); err != nil {
				cancel(fmt.Errorf("serve control socket: %w", err))
			}
		})
	}
	return nil
}

// Close takes the device down: the interface and with it its addresses and
// routes, the packet socket, the control socket. It waits for the goroutines of
// the device. Run does it by itself; a second time it does nothing.
//
// The order matters: the interface goes first, so that nothing comes in any more; the
// far port wakes the relay of rx; the netlink sockets go last, when no goroutine is
// left that uses them. Frames that are inflight by then are lost.
func (d *Device) Close() error {
	err := d.near.Close()
	d.mu.Lock()
	d.closed = true
	if far := d.tx.End().Port; far != nil {
		err = errors.Join(err, far.Close())
	}
	d.ticker.End()
	err = errors.Join(err, d.slave.Close(), d.path.close(), d.receive.close())
	if d.control != nil {
		err = errors.Join(err, d.control.Close())
	}
	d.mu.Unlock()
	d.group.Wait()
	if d.links != nil {
		d.links.Close() // the goroutines have used them
	}
	return err
}
