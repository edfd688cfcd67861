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
			d.fail("follow slave", "slave", api.ShowName(d.slave.Name), "err", err)
		}
	}
	self := &d.seen.Interface
	if self.Altered {
		d.putBack()
	}
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
// the interface. It sets the MTU only when that of the slave changes, because a user may give
// the interface another one. It puts back alias and address, because without them the device
// is not known as one, or is not heard; a bond sets the address of its members itself. It
// sets the carrier each time, which costs almost nothing. It joins all errors.
func (d *Device) followSlave() error {
	link, seen := d.slave.Link, d.seen.Interface
	self := seen.Link
	errs := []error{d.tap.SetCarrier(d.slave.State() == api.SlaveUp)}
	if seen.Away {
		d.adopted = host.Link{} // for its return
		return errs[0]
	}
	if !d.slave.IsOpen() {
		return errs[0]
	}
	if alias := host.AliasPrefix + api.ShowName(d.slave.Name); self.Alias != alias {
		errs = append(errs, d.iface.SetAlias(alias))
	}
	if link.MTU != d.adopted.MTU || !bytes.Equal(link.MAC, d.adopted.MAC) {
		err := d.iface.AdoptLink(link)
		if err == nil {
			d.adopted = link
			d.rx.SetAddress(link.MAC)
		}
		errs = append(errs, err)
	} else if !bytes.Equal(link.MAC, self.MAC) && !self.Bonded {
		errs = append(errs, d.iface.Adopt(link))
	}
	settings := d.seen.Slave
	errs = append(errs, d.iface.AdoptSettings(settings.Settings))
	return errors.Join(errs...)
}

// putBack puts back what another program that has opened the interface has changed for all
// who have it open.
func (d *Device) putBack() {
	self := &d.seen.Interface
	self.Altered, self.Link.Persists = false, false // if it fails, the next look finds it again
	if err := d.tap.Restore(); err != nil {
		d.fail("put the interface back", "err", err)
	}
}

// renew sets the interface up again after it was in another network namespace, where the
// kernel has removed its programs, its queueing discipline and its settings of IPv6. It
// returns true on success; then the host must be looked at once more.
func (d *Device) renew() (done bool) {
	d.moved = true
	d.given.Doubt()
	d.changes++ // the tables may have been read while it was away
	err := d.iface.Renew()
	if d.path.Exists() {
		err = errors.Join(err, d.path.Close(), d.path.Attach(d.iface, d.receive.Objects))
	}
	if err != nil {
		d.fail("set up the interface after its return", "err", err)
		return false
	}
	self := &d.seen.Interface
	d.moved, self.Returned = false, false
	return true
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
// everything, which tries it again. While the device ends nothing fails: its parts are closed
// under a pass that has begun.
func (d *Device) fail(what string, args ...any) {
	if d.closed.Load() {
		return
	}
	d.failed.Store(true)
	d.log.Error(what, args...)
}
