package insane

import (
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// exchange swaps the slave. The relay sends to the new one before the old one
// closes, so that a batch in between finds either of them.
func (d *Device) exchange(s slave) {
	h := d.host
	d.settle()
	d.closeLanes()
	old := h.slave
	h.slave = s
	d.part(old.port)
	d.follow()
	if old.port != nil {
		if err := old.close(); err != nil {
			d.log.Error("let go of slave", "slave", old.name, "err", err)
		}
	}
	d.reclaim()
}

// follow publishes the state of the slave: to the relay, as the carrier of the
// interface, and in the routes that borrow from the slave.
func (d *Device) follow() {
	h := d.host
	d.setEnd(h.slave.end())
	if err := h.tap.SetCarrier(h.slave.state() == api.SlaveUp); err != nil {
		d.log.Error("follow carrier of slave", "err", err)
	}
	if err := h.routes.keep(h); err != nil {
		d.log.Error("follow routes of slave", "err", err)
	}
}

// reconcile brings the device in line with the links as they are now. It is
// called after every change of any link or address.
func (d *Device) reconcile() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	if d.queue() != nil {
		d.review(d.host.look())
	}
	s := &d.host.slave
	if s.name == "" {
		return
	}
	if s.port != nil {
		// Before the look at the link, which is to be published as soon as it is
		// known: every question may have to wait for others.
		s.queues = host.TxQueues(s.link.Name)
		link, err := d.host.links.ByIndex(s.link.Index)
		switch {
		case err == nil && s.port.Bound():
			d.refresh(link)
			return
		case err != nil && !errors.Is(err, host.ErrNoLink):
			d.log.Error("look up slave", "err", err)
			return
		}
		d.log.Warn("slave is gone; waiting for a link of that name", "slave", s.name)
		d.exchange(slave{name: s.name})
	}
	if err := d.reattach(s.name); err != nil {
		d.log.Error("pick up slave", "slave", s.name, "err", err)
	}
}

// refresh takes over what changed about the slave.
func (d *Device) refresh(link host.Link) {
	h := d.host
	was := h.slave.link
	d.settle()
	h.slave.link, h.slave.name = link, link.Name
	d.steer()
	var err error
	if link.Name != was.Name {
		d.log.Info("slave was renamed", "from", was.Name, "to", link.Name)
		err = h.iface.SetAlias(aliasPrefix + link.Name)
	}
	if link.MTU != was.MTU || link.MAC.String() != was.MAC.String() {
		err = errors.Join(err, h.adopt(link))
	}
	if err != nil {
		d.log.Error("follow slave", "slave", link.Name, "err", err)
	}
	if link.Carrier != was.Carrier {
		d.log.Info("carrier of slave changed", "slave", link.Name, "carrier", link.Carrier)
	}
	d.follow()
}

// reattach picks up a slave that was gone if a fitting link of its name is there.
func (d *Device) reattach(name string) error {
	link, err := d.host.links.ByName(name)
	if errors.Is(err, host.ErrNoLink) {
		return nil
	}
	if err == nil {
		err = checkType(link)
	}
	mode := d.host.receive.mode
	if err == nil {
		err = d.checkReceive(mode, link, d.rx.rule.Load().policy)
	}
	if err != nil {
		return fmt.Errorf("look up: %w", err)
	}
	return d.attach(link, mode)
}
