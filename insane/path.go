package insane

import (
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// openPath prepares the fast path. asked is one of the api.Path… values. If there can be no
// fast path, api.PathKernel makes that an error; with api.PathAuto, State shows the reason
// and the relay carries everything.
func (d *Device) openPath(asked string) error {
	p := &d.path
	if asked == api.PathRelay {
		p.None = "asked for"
		d.keepLabels()
		return nil
	}
	err := d.load()
	if err == nil {
		err = d.attachPath()
	}
	if asked == api.PathKernel && errors.Is(err, kern.ErrUnsupported) {
		p.Clsact = true
		err = d.attachPath()
	}
	switch {
	case err == nil:
		return nil
	case asked == api.PathKernel:
		return fmt.Errorf("path: %q: %w; --path relay does without", asked, err)
	}
	p.None = err.Error()
	d.keepLabels()
	return nil
}

// keepLabels makes the relay of tx keep the priority and the mark of frames. Without a fast
// path it does so if the kernel and the rights of the daemon allow eBPF programs.
func (d *Device) keepLabels() {
	if d.load() != nil {
		return
	}
	objects := d.receive.Objects
	if tx := objects.TX(); d.tap.SetFilter(objects.Enter()) == nil {
		d.path.Queue = tx.Queue()
		d.tx.KeepLabels(tx.Labels())
	}
}

// attachPath attaches the fast path, and makes the fast path and the relays share the
// packet numbers.
func (d *Device) attachPath() error {
	objects := d.receive.Objects
	if err := d.tap.SetFilter(objects.Enter()); err != nil {
		return err
	}
	if err := d.path.Attach(d.iface, objects); err != nil {
		return err
	}
	tx, rx := objects.TX(), objects.RX()
	d.path.Queue, d.path.Open = tx.Queue(), true // read without a lock from now on
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
	if !d.path.Exists() {
		return which
	}
	if d.tx.Waiting() || d.rx.Waiting() {
		which |= observe.PartInterface
	}
	return which
}
