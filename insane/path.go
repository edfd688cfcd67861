package insane

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// path is the state of the fast path, and says which data plane carries packets. Device.mu
// guards it. The device decides once whether there is a fast path, before the interface is
// up. Every pass decides which packets take it.
type path struct {
	queue  *kern.Backlog // frames that wait in the queue of the interface; nil: the kernel does not count them
	open   bool          // there is a fast path
	closer io.Closer     // the programs attached to the interface
	clsact bool          // the programs are in a clsact qdisc
	none   string        // why there is no fast path

	tx, rx string // why the relay carries everything; "": the kernel carries what it can
}

// exists reports whether there is a fast path. That does not change any more once the
// device is open.
func (p *path) exists() bool { return p.open }

// reasons returns for each direction why the relay carries everything; "" if it does not.
// Programs compare a reason with "" alone: the text is for users.
func (p *path) reasons() (tx, rx string) {
	if !p.exists() {
		return p.none, p.none
	}
	return p.tx, p.rx
}

// observe records those facts about the interface that do not depend on a decision.
func (p *path) observe(self observe.Interface) {
	if p.queue != nil && !self.Away {
		p.queue.SetLimit(self.Link.QueueLen)
	}
}

// attach attaches the programs to the interface. The fast path must be closed. They stay
// attached until close, or until the process ends. The error is kern.ErrUnsupported on kernels
// without tcx, unless clsact is set.
func (p *path) attach(iface *host.Interface, objects *kern.Objects) (err error) {
	if err = iface.SkipQdisc(); err == nil {
		p.closer, err = objects.AttachInterface(kern.InterfaceOptions{Link: iface.Index(), Clsact: p.clsact})
	}
	return err
}

// settle tells the kernel that the missing frames of the queue are lost, if the relay has
// been idle since the last call and no frame has moved.
func (p *path) settle(idle bool) { p.queue.Settle(idle) }

// close detaches the programs from the interface.
func (p *path) close() (err error) {
	if p.closer != nil {
		err = p.closer.Close()
	}
	p.closer = nil
	return err
}

// openPath prepares the fast path. asked is one of the api.Path… values. If there can be no
// fast path, api.PathKernel makes that an error; with api.PathAuto, State shows the reason
// and the relay carries everything.
func (d *Device) openPath(asked string) error {
	p := &d.path
	if asked == api.PathRelay {
		p.none = "asked for"
		d.keepLabels()
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
	d.keepLabels()
	return nil
}

// keepLabels makes the relay of tx keep the priority and the mark of frames. Without a fast
// path it does so if the kernel and the rights of the daemon allow eBPF programs.
func (d *Device) keepLabels() {
	if d.load() != nil {
		return
	}
	objects := d.receive.objects
	if tx := objects.TX(); d.tap.SetFilter(objects.Enter()) == nil {
		d.path.queue = tx.Queue()
		d.tx.KeepLabels(tx.Labels())
	}
}

// attachPath attaches the fast path, and makes the fast path and the relays share the
// packet numbers.
func (d *Device) attachPath() error {
	objects := d.receive.objects
	if err := d.tap.SetFilter(objects.Enter()); err != nil {
		return err
	}
	if err := d.path.attach(d.iface, objects); err != nil {
		return err
	}
	tx, rx := objects.TX(), objects.RX()
	d.path.queue, d.path.open = tx.Queue(), true // read without a lock from now on
	d.tx.ShareWith(tx, nil)
	d.tx.KeepLabels(tx.Labels())
	d.rx.ShareWith(rx, rx.Drain)
	d.pair.Reseed(d.pair.Seed()) // restarts the numbers, which the kernel shares from now on
	d.keepWatch(tx, d.tx).Arm(true)
	return nil
}

// due returns the parts that need a pass for which no event asks: something has changed of
// which the kernel does not tell, or frames wait that may be lost. It waits as a look does.
// Only the loop may call it.
func (d *Device) due() (which observe.Parts) {
	if d.shown.Load().slaveState == api.SlaveUp {
		d.heard.Hear(d.about.Load(), d.tx, d.rx)
	} else {
		d.heard.Forget()
	}
	d.mu.Lock()
	seen := d.seen
	d.mu.Unlock()
	which = d.about.Load().Moved(seen)
	if !d.path.exists() {
		return which
	}
	if d.tx.Waiting() || d.rx.Waiting() {
		which |= observe.PartInterface
	}
	return which
}
