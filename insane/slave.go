package insane

import (
	"errors"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/slave"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// finder looks for links that can be the slave. It must not be called for a device that is
// made of ports.
func (d *Device) finder() slave.Finder { return slave.Finder{Links: d.links, Device: d.iface.Index()} }

// attach makes a link the slave, in a receive mode. On any error the old slave and its mode
// stay. If the link is the slave already, only the mode changes. The sockets of the new
// slave are opened before the old sockets are closed. The caller holds d.mu, and refreshes
// the device afterwards.
func (d *Device) attach(link host.Link, mode string) (err error) {
	if d.slave.On(link.Index) {
		return d.switchMode(mode)
	}
	before := d.slave
	if err := d.iface.SetAlias(host.AliasPrefix + api.ShowName(link.Name)); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			d.restore(before)
		}
	}()
	// Check again: the link may be a device that has published its own choice after the
	// first check, and that may not have seen ours.
	if link, err = d.finder().Again(link); err != nil {
		return err
	}
	s, err := slave.Open(slave.Options{
		Link: link, Receive: mode, Objects: d.receive.Objects, Kernel: d.rx.Kernel(), Before: &d.slave,
	})
	if err != nil {
		return err
	}
	if err := d.iface.AdoptLink(link); err != nil {
		return errors.Join(err, s.Close())
	}
	d.adopted = link
	d.rx.SetAddress(link.MAC)
	d.receive.Mode = mode
	d.exchange(s)
	d.source.Next(s.Port, s.Backlog())
	d.log.Info("slave attached", "slave", api.ShowName(link.Name), "index", link.Index, "receive", mode)
	slave.WarnReversePath(d.log, link.Name, mode)
	if err := s.Forgets(); err != nil {
		d.log.Warn("answers of hosts routed through the device are the device's, also those to sockets bound to the slave", "why", err)
	}
	return nil
}

// detach makes the device one without a slave, as before the first. The caller refreshes it.
func (d *Device) detach() {
	err := errors.Join(d.iface.SetAlias(""), d.tap.SetCarrier(false))
	d.exchange(slave.Slave{})
	d.source.Nothing()
	d.log.Info("slave let go", "err", err)
}

// restore undoes what a failed attach did to the interface. It logs its own errors: the
// caller returns the first error.
func (d *Device) restore(before slave.Slave) {
	alias := ""
	if before.Name != "" {
		alias = host.AliasPrefix + api.ShowName(before.Name)
	}
	err := d.iface.SetAlias(alias)
	if before.Port != nil {
		err = errors.Join(err, d.iface.AdoptLink(before.Link))
	}
	if err != nil {
		d.log.Error("restore the interface after a failed change", "err", err)
	}
}

// exchange replaces the slave. The relay sends to the new slave before the old one is
// closed, so that each batch finds one of them open. The relay carries everything until the
// device is refreshed.
func (d *Device) exchange(s slave.Slave) {
	d.settle()
	d.tx.CloseKernel()
	d.rx.CloseKernel()
	old := d.slave
	d.slave = s
	d.changes++
	d.keepLosses(old.Port)
	d.tx.SetEnd(s.End())
	if old.Port != nil {
		if err := old.Close(); err != nil {
			d.log.Error("let go of slave", "slave", api.ShowName(old.Name), "err", err)
		}
	}
}
