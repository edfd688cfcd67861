package insane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-39a139a1/insane/insane/control"
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/keeper"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insane/slave"
	"github.com/seed-39a139a1/insane/insane/watchdog"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Device relays between the host and a slave. Exported methods are safe for concurrent use.
// Neither the frames nor State wait for mu: a change reaches the relays through atomic
// pointers, and it publishes everything that State needs as one value. Only a change that a
// user asks for looks at the host while it holds mu.
//
// Call Run once and wait for it; when it returns, the device is closed. A closed Device
// cannot be used again: Change fails.
type Device struct {
	name      string
	namespace string // of the network, as /proc shows it
	outside   string // that from which the daemon was started, if it is another one
	log       *slog.Logger
	clock     func() policy.Time
	near      port.Port
	tx, rx    *relay.Relay
	pair      *relay.Pair    // of tx and rx
	group     sync.WaitGroup // every goroutine of the device

	// The parts of the device in the kernel. A Device made by New has none of them.
	links      *host.Links
	tap        *port.TAP             // the same port as near
	iface      *host.Interface       // the same interface as tap, for netlink
	control    *host.ControlListener // nil if the user asked for none
	members    *uint32               // the group that may make changes
	logDropped func() uint64         // lines of the log that were lost; nil: nobody counts
	ticker     *watchdog.Ticker

	shown atomic.Pointer[shown]            // what State returns, apart from counters
	about atomic.Pointer[observe.Observer] // decides which parts an event concerns; nil for a Device made by New
	lost  losses
	heard observe.Replies // whether anything comes back

	leases *keeper.Keeper // and the log of changes

	failed atomic.Bool // the last pass failed in part; the next pass tries everything again
	closed atomic.Bool // set before anything is closed: no change begins, and no pass complains

	mu       sync.Mutex // guards the fields below; changes wait for each other and for the kernel
	given    host.Given
	slave    slave.Slave
	adopted  host.Link // MTU and link-layer address that the device last gave the interface
	receive  slave.Receiving
	path     kern.Path
	seen     observe.Host  // the host, as of the last pass
	reread   func()        // has the tables of the host read; nothing before Run
	changes  uint64        // how often the slave, the receive mode or a requested route changed
	moved    bool          // the interface was in another network namespace, and is not set up again yet
	warnings []api.Warning // problems that are shown to the user
	source   relay.Source  // what the relay of rx reads

	recordings recordings
}

// newDevice makes a device without a slave. It relays nothing before Run. With a fast path,
// the clock must be CLOCK_MONOTONIC, because the kernel reads no other clock.
func newDevice(near port.Port, c Config) *Device {
	if c.Clock == nil {
		c.Clock = host.Now
	}
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	memory := line.NewMemory(cmp.Or(c.Memory, UsualMemory), port.Pages{})
	direction := func(name string) *relay.Relay {
		return relay.New(relay.Options{
			Clock: c.Clock, Log: c.Log.With("direction", name), Limit: watchdog.Limit, JudgeNeighbours: c.JudgeNeighbours, Memory: memory,
		})
	}
	d := &Device{
		name: c.Name, log: c.Log, clock: c.Clock, near: near,
		tx: direction("tx"), rx: direction("rx"), ticker: watchdog.NewTicker(),
		receive: slave.NewReceiving(), reread: func() {}, leases: keeper.New(c.Clock, c.Log),
		recordings: recordings{ended: make(chan struct{})},
	}
	d.pair = relay.NewPair(d.tx, d.rx, c.Seed)
	d.source = relay.NewSource(d.rx, &d.group)
	d.tx.SetEnd(d.slave.End())
	d.rx.SetEnd(&relay.End{Port: near})
	now := c.Clock()
	d.pair.SetPolicies(&c.Policy, &c.RXPolicy, now)
	d.pair.SetRules(c.Rules, now)
	d.publish()
	return d
}

// Run relays until ctx ends, Close is called or the interface is lost. Then it closes the
// device. It returns nil if ctx ended it; otherwise the error says what failed. Call Run at
// most once.
func (d *Device) Run(outer context.Context) error {
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	d.group.Go(func() {
		cancel(fmt.Errorf("read from %s: %w", d.name, d.tx.Run(d.near, d.path.Queue)))
	})
	d.group.Go(func() { d.leases.Run(ctx, d.expire) })
	err := d.serve(ctx, cancel)
	if err == nil {
		<-ctx.Done()
		if outer.Err() == nil {
			err = context.Cause(ctx)
		}
	}
	return errors.Join(err, d.Close())
}

// serve starts the two other tasks of a device in the kernel: it follows the host, and
// answers on the control socket. Both tasks end with ctx, and Close waits for them. An
// error of the control socket ends the device through cancel.
func (d *Device) serve(ctx context.Context, cancel context.CancelCauseFunc) error {
	if d.tap == nil {
		return nil
	}
	if err := d.follow(ctx); err != nil {
		return err
	}
	// The control socket comes last, so that a device that answers is complete.
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

// Close ends the device. It closes the interface, and so removes its addresses and routes;
// it also closes the packet sockets and the control socket. It waits for the goroutines of
// the device. Run calls it at its end; a second call does nothing.
//
// Steps that another process may delay come as late as they can: the slave has its frames back
// before the kernel removes the interface, and the file of the control socket is gone before
// Close waits for a change that somebody makes. What is held leaves first, in order, for as
// long as lastMoment.
func (d *Device) Close() error {
	d.closed.Store(true)
	d.ticker.EndReceive()
	d.letGo()
	var err error
	if self := d.shown.Load().self; self.Queues > 1 || self.Persists { // another program would keep it there
		err = d.iface.Remove()
	}
	err = errors.Join(err, d.near.Close(), d.Leave())
	d.mu.Lock()
	if far := d.tx.End().Port; far != nil {
		err = errors.Join(err, far.Close())
	}
	d.ticker.End()
	err = errors.Join(err, d.source.Close(), d.slave.Close(), d.path.Close(), d.receive.Close())
	d.mu.Unlock()
	d.group.Wait()
	if d.links != nil {
		d.links.Close() // after the goroutines that use them have ended
	}
	return err
}

// lastMoment is how long packets that are held may take to leave at the end.
const lastMoment = 200 * time.Millisecond

// letGo passes on at once, in order, what is held.
func (d *Device) letGo() {
	var both sync.WaitGroup
	for _, r := range []*relay.Relay{d.tx, d.rx} {
		both.Go(func() {
			if !r.Finish(lastMoment) {
				d.log.Warn("packets that were held are lost: the device ends", "packets", r.Held())
			}
		})
	}
	both.Wait()
	d.recordings.end()
}

// Leave removes the file of the control socket and stops listening. It waits for nothing, and
// may be called at any time; Close calls it.
func (d *Device) Leave() error {
	if d.control == nil {
		return nil
	}
	return d.control.Close()
}

// Works reports whether the relays of both directions work: neither hangs. It waits for
// nothing.
func (d *Device) Works() bool {
	now := d.clock()
	return d.tx.Works(now) && d.rx.Works(now)
}
