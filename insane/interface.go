package insane

import (
	"bytes"
	"errors"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// applyInterface makes the interface look like the slave, and restores what it has lost:
// the kernel removes IPv6 addresses and all routes while an interface is down. The device
// makes the requested routes again as soon as the interface is up. It returns true if the
// host must be looked at once more: for the routes that are to be restored, or because
// other routes through the interface make other frames the device's.
func (d *Device) applyInterface(routes []host.RouteState) (again bool) {
	if d.slave.Name != "" {
		if err := d.followSlave(); err != nil {
			d.fail("follow slave", "slave", d.slave.Name, "err", err)
		}
	}
	self := &d.seen.Interface
	again, err := d.given.Keep(d.iface, self.Condition, routes, d.log)
	self.WasDown, self.WasBare = !self.Up, self.NoIPv6 // what was before is known now
	if again {
		d.changes++
	}
	if err != nil {
		d.fail("restore addresses and routes", "err", err)
	}
	return again
}

// followSlave copies the alias, MTU, link-layer address, settings and carrier of the slave to
// the interface. It sets MTU and address only when those of the slave change, because a user
// may give the interface other values. It sets the carrier each time, which costs almost
// nothing. It joins all errors.
func (d *Device) followSlave() error {
	var errs []error
	link, name := d.slave.Link, d.slave.Name
	if d.slave.IsOpen() && name != d.alias {
		err := d.iface.SetAlias(host.AliasPrefix + name)
		if err == nil {
			d.alias = name
		}
		errs = append(errs, err)
	}
	if d.slave.IsOpen() && (link.MTU != d.adopted.MTU || !bytes.Equal(link.MAC, d.adopted.MAC)) {
		err := d.adopt(link)
		if err == nil {
			d.adopted = link
		}
		errs = append(errs, err)
	}
	seen := d.seen.Slave
	errs = append(errs, d.iface.AdoptSettings(seen.Settings), d.tap.SetCarrier(d.slave.State() == api.SlaveUp))
	return errors.Join(errs...)
}

// skipQdisc removes a queueing discipline that nobody has configured: when a user deletes a
// qdisc, the kernel installs a default one. It returns true if the interface must be looked
// at once more.
func (d *Device) skipQdisc() (done bool) {
	self := &d.seen.Interface
	self.Spare = false // if it fails, the next look finds it again
	if err := d.iface.SkipQdisc(); err != nil {
		d.fail("look at the interface", "err", err)
		return false
	}
	return true
}

// fail logs what could not be done. The next event of any kind makes a pass over
// everything, which tries it again.
func (d *Device) fail(what string, args ...any) {
	d.failed.Store(true)
	d.log.Error(what, args...)
}
