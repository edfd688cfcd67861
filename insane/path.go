package insane

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// path is which of the data planes packets take. Device.mu guards it.
//
// The fast path is used wherever its result is exactly the relay's, and as long as
// nobody would miss anything: what it sends does not pass the interface's own queue,
// so who watches the interface, or shapes it, must have the relay.
type path struct {
	queue  *kern.Backlog // of the interface; nil: there is no fast path
	closer []io.Closer   // programs at the interface
	clsact bool          // they are in a clsact qdisc
	none   string        // why there is no fast path
	view   view

	listened atomic.Bool // view.listened, read without holding Device.mu
	failed   atomic.Bool // whether the last look failed, read without holding Device.mu

	tx, rx string // why the relay carries everything; "": the kernel carries what it can
}

// openPath prepares the fast path. If it is only wished for, a device without one is
// none the worse.
func (d *Device) openPath(asked string) error {
	p := &d.host.path
	if asked == api.PathRelay {
		p.none = "asked for"
		return nil
	}
	err := d.load()
	if err == nil {
		err = p.attach(d)
	}
	if asked == api.PathKernel && errors.Is(err, kern.ErrUnsupported) {
		p.clsact = true
		err = p.attach(d)
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

// attach hangs the programs into the interface, which is down still and has no
// frames.
func (p *path) attach(d *Device) error {
	tap, programs := d.host.tap, d.host.receive.programs
	if err := tap.SetFilter(programs.Enter()); err != nil {
		return err
	}
	if err := tap.SkipQdisc(); err != nil {
		return err
	}
	options := kern.InterfaceOptions{Link: tap.Index(), Clsact: p.clsact}
	for _, attach := range []func(kern.InterfaceOptions) (io.Closer, error){programs.AttachArrive, programs.AttachTransmit} {
		closer, err := attach(options)
		if err != nil {
			return err
		}
		p.closer = append(p.closer, closer)
	}
	view, err := d.host.look()
	if err != nil {
		return err
	}
	p.queue = programs.TX().Queue()
	p.see(view)
	d.tx.lane, d.rx.lane, d.rx.land = programs.TX(), programs.RX(), programs.RX().Drain
	d.reseed(d.tx) // for numbers that the kernel shares
	d.reseed(d.rx)
	lease := newLease(d.tx.lane, d.tx)
	lease.arm(true)
	d.host.heart.keep(lease)
	return nil
}

// close ends what openPath began.
func (p *path) close() (err error) {
	for _, c := range p.closer {
		if cerr := c.Close(); err == nil {
			err = cerr
		}
	}
	return err
}

// queue is the berth of the interface.
func (d *Device) queue() *kern.Backlog {
	if d.host == nil {
		return nil
	}
	return d.host.path.queue
}

// reasons say for each direction why the relay carries everything; "" if it does not.
func (p *path) reasons() (tx, rx string) {
	if p.queue == nil {
		return p.none, p.none
	}
	return p.tx, p.rx
}

// steer brings the data planes in line with everything that decides between them,
// and shows the state. The caller holds d.mu.
func (d *Device) steer() {
	defer d.publish()
	h := d.host
	if h == nil || h.path.queue == nil {
		return
	}
	p := &h.path
	p.tx = p.lead(d.tx, h.noFastTX(&d.tx.rule.Load().program), h.slave.link.Index)
	p.rx = p.lead(d.rx, h.noFastRX(), h.tap.Index())
}

// lead opens or closes a lane and says why it is closed.
func (p *path) lead(r *relay, why string, to int) string {
	if why == "" {
		ru := r.rule.Load()
		if err := r.lane.Open(ru.program, to, ru); err != nil {
			why = err.Error()
		}
	}
	if why != "" {
		r.lane.Close()
	}
	return why
}

// closeLanes leaves everything to the relay until steer is called.
func (d *Device) closeLanes() {
	for _, r := range []*relay{d.tx, d.rx} {
		if r.lane != nil {
			r.lane.Close()
		}
	}
}

// noFastTX says why the kernel must leave tx to the relay.
func (h *host) noFastTX(program *policy.Program) string {
	s := &h.slave
	switch state := s.state(); {
	case state == api.SlaveNone:
		return "there is no slave"
	case state != api.SlaveUp:
		return s.name + " is " + state
	case isDevice(s.link):
		return s.name + " is a device itself"
	case h.path.view.away:
		return "the interface is not in this network namespace"
	case s.queues > 1 && !program.Whole(2):
		// The relay's socket and the host's may choose different ones.
		return fmt.Sprintf("%s has %d transmit queues, in which packets of one super-frame could overtake the next", s.name, s.queues)
	}
	return h.path.view.watched
}

// noFastRX says why the kernel must leave rx to the relay.
func (h *host) noFastRX() string {
	switch {
	case h.receive.mode == api.ReceiveNone:
		return "receive none: nothing but what neighbours say"
	case h.path.view.away:
		return "the interface is not in this network namespace"
	}
	return h.receive.idle
}
