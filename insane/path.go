package insane

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// path is the fast path, and which of the data planes packets take. Device.mu
// guards it, but for the two atomics, which the ticker reads: it must wait for
// nothing. Whether there is a fast path is decided once, before the interface is up;
// which packets take it is decided by every pass.
type path struct {
	queue  *kern.Backlog // frames that wait in the queue of the interface; nil: there is no fast path
	closer []io.Closer   // programs at the interface
	clsact bool          // they are in a clsact qdisc
	none   string        // why there is no fast path

	listened atomic.Bool // whether a packet socket listened at the last look; read without Device.mu
	failed   atomic.Bool // whether the last look failed; read without Device.mu

	tx, rx string // why the relay carries everything; "": the kernel carries what it can
}

// exists reports whether there is a fast path. That does not change any more once the
// device is open.
func (p *path) exists() bool { return p.queue != nil }

// reasons are for people, and for State, which compares them with "" alone. They
// say for each direction why the relay carries everything; "" if it does not.
func (p *path) reasons() (tx, rx string) {
	if !p.exists() {
		return p.none, p.none
	}
	return p.tx, p.rx
}

// observe takes over what follows from the interface alone.
func (p *path) observe(self observe.Interface) {
	if !p.exists() {
		return
	}
	p.failed.Store(self.Err != nil)
	p.listened.Store(self.Listened)
	if !self.Away {
		p.queue.SetLimit(self.Link.QueueLen)
	}
}

// attach hangs the programs into the interface, which is down still and has no
// frames. Each program is on the interface until close, or until the process ends.
// The error is kern.ErrUnsupported on kernels without tcx, unless clsact is set. What
// was attached before an error stays for close.
func (p *path) attach(tap *port.TAP, iface *host.Interface, objects *kern.Objects) error {
	if err := tap.SetFilter(objects.Enter()); err != nil {
		return err
	}
	if err := iface.SkipQdisc(); err != nil {
		return err
	}
	options := kern.InterfaceOptions{Link: tap.Index(), Clsact: p.clsact}
	for _, attach := range []func(kern.InterfaceOptions) (io.Closer, error){objects.AttachArrive, objects.AttachTransmit} {
		closer, err := attach(options)
		if err != nil {
			return err
		}
		p.closer = append(p.closer, closer)
	}
	p.queue = objects.TX().Queue()
	return nil
}

// due reports whether the interface must be looked at though no event says so.
// listens: a packet socket listens on it. The caller need not hold Device.mu.
func (p *path) due(listens bool) bool { return p.failed.Load() || listens != p.listened.Load() }

// settle says to the kernel that frames of the queue which are still missing got
// lost, if the relay has been idle since the last call and none moved.
func (p *path) settle(idle bool) { p.queue.Settle(idle) }

// close takes the programs off the interface.
func (p *path) close() error {
	var errs []error
	for _, c := range p.closer {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// openPath prepares the fast path. asked is one of the api.Path… values. With
// api.PathKernel it is an error that there is none; with api.PathAuto the reason is
// kept for State, and the relay carries everything.
func (d *Device) openPath(asked string) error {
	p := &d.path
	if asked == api.PathRelay {
		p.none = "asked for"
		return nil
	}
	err := d.load()
	if err == nil {
		err = d.attachPath()
	}
	if asked == api.PathKernel && errors.Is(err, kern.ErrUnsupported) {
		p.clsact = true
		err = d.attachPath()
	}
	switch {
	case err == nil:
		return nil
	case asked == api.PathKernel:
		return fmt.Errorf("path: %q: %w; --path relay does without", asked, err)
	}
	p.none = err.Error()
	return nil
}

// attachPath attaches the fast path and makes the relays share the numbers of the
// packets with it. From then on the kernel takes numbers as well as the relays, and
// the numbers of both directions begin at 0.
func (d *Device) attachPath() error {
	objects := d.receive.objects
	if err := d.path.attach(d.tap, d.iface, objects); err != nil {
		return err
	}
	tx, rx := objects.TX(), objects.RX()
	d.tx.ShareWith(tx, nil)
	d.rx.ShareWith(rx, rx.Drain)
	d.tx.Reseed(d.seedOf(d.tx)) // for numbers that the kernel shares
	d.rx.Reseed(d.seedOf(d.rx))
	d.keepWatch(tx, d.tx).Arm(true)
	return nil
}

// due is called by the ticker, without d.mu, and waits for nothing: it reads memory
// and one file of /proc. It says at each tick whether there is something that raises no event: somebody
// has begun or ceased to listen, the last look failed, or frames wait, which may have
// got lost.
func (d *Device) due() bool {
	listens, err := host.Listens(d.tap.Index())
	return err != nil || d.path.due(listens) || d.tx.Waiting() || d.rx.Waiting()
}
