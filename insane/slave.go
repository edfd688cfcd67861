package insane

import (
	"errors"
	"os"
	"strings"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/slave"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// maxChain bounds the walk along a chain of devices. Chains are not deep: each device
// adds the cost of a relay to every frame. The bound ends the walk where other devices
// change their slaves all the time.
const maxChain = 32

// MTUs that an Ethernet TAP takes (drivers/net/tun.c, tun_net_init).
const (
	minMTU = 68
	maxMTU = 65535 - 14
)

// checkSlave finds the link that is to be the slave and refuses what cannot be
// one. Errors are *api.Error: api.ErrNoDevice, ErrLoop or ErrWrongType. Nothing has
// changed when it returns. It waits for the kernel's lock on configuration.
func (d *Device) checkSlave(name string) (host.Link, error) {
	if d.tap == nil {
		return host.Link{}, api.Errorf(api.ErrInvalid, "slave", "slave: %q: the device has its ports already", name)
	}
	link, err := d.links.ByName(name)
	if errors.Is(err, host.ErrNoLink) {
		return host.Link{}, noDevice(name)
	}
	if err != nil {
		return host.Link{}, err
	}
	if link.Index == d.tap.Index() {
		return host.Link{}, api.Errorf(api.ErrLoop, "slave", "slave: %q: the device cannot be its own slave", name)
	}
	return link, checkType(link)
}

// noDevice is the error for a name that no link has.
func noDevice(name string) error {
	return api.Errorf(api.ErrNoDevice, "slave", "slave: %q: no such device", name)
}

// checkType refuses a link whose frames the device could not carry: they must begin
// with an Ethernet header, as those of loopback do.
func checkType(link host.Link) error {
	if !link.Ethernet && !link.Loopback {
		return api.Errorf(api.ErrWrongType, "slave", "slave: %q: neither Ethernet nor loopback", link.Name)
	}
	return nil
}

// checkChain follows the slaves of slaves and refuses a way back to this
// device. The device has published its own wish before: of two devices that
// choose each other at the same moment at least one sees the other's.
func (d *Device) checkChain(link host.Link) error {
	way := link.Name
	for range maxChain {
		if link.Index == d.tap.Index() {
			return api.Errorf(api.ErrLoop, "slave", "slave: %q: the device would be its own slave (by way of %s)",
				strings.Split(way, ", ")[0], way)
		}
		name, ok := link.SlaveName()
		if !ok {
			return nil
		}
		next, err := d.links.ByName(name)
		if errors.Is(err, host.ErrNoLink) {
			return nil
		}
		if err != nil {
			return err
		}
		link, way = next, way+", "+next.Name
	}
	return api.Errorf(api.ErrLoop, "slave", "slave: a chain of more than %d devices", maxChain)
}

// lookAgain looks at a link once more and checks its chain: it may be a device that has
// published its own wish since it was looked up, and may have overlooked ours.
func (d *Device) lookAgain(link host.Link) (host.Link, error) {
	now, err := d.links.ByIndex(link.Index)
	if errors.Is(err, host.ErrNoLink) {
		return now, noDevice(link.Name)
	}
	if err != nil {
		return now, err
	}
	return now, d.checkChain(now)
}

// attach makes a link the slave, in a receive mode; on any error the old one
// stays, and its mode. A link that is the slave already only gets the mode. The
// sockets of the new slave are open before those of the old one close. The caller
// holds d.mu, and refreshes the device afterwards.
func (d *Device) attach(link host.Link, mode string) (err error) {
	if d.slave.On(link.Index) {
		return d.switchMode(mode)
	}
	before := d.slave
	if err := d.iface.SetAlias(host.AliasPrefix + link.Name); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			d.restore(before)
		}
	}()
	name := link.Name
	if link, err = d.lookAgain(link); err != nil {
		return err
	}
	s, err := slave.Open(slave.Options{
		Link: link, Receive: mode, Objects: d.receive.objects, Kernel: d.rx.Kernel(), Before: &d.slave,
	})
	if err != nil {
		return err
	}
	if err := d.adopt(link); err != nil {
		return errors.Join(err, s.Close())
	}
	d.adopted, d.alias = link, name
	d.receive.mode = mode
	d.exchange(s)
	d.startRX(s.Port, s.Backlog())
	d.log.Info("slave attached", "slave", link.Name, "index", link.Index, "receive", mode)
	d.warnReversePath(link.Name, mode)
	return nil
}

// warnReversePath says in the log that with receive none the host will refuse IPv4
// answers: they come in through the slave, and reverse path filtering in its strict
// mode wants them to come in where they would leave, which is the device. The setting
// may be changed at any time, so it is no error.
func (d *Device) warnReversePath(name, mode string) {
	if mode == api.ReceiveNone && host.StrictReversePath(name) {
		d.log.Warn("IPv4 answers to what leaves through the device come in through the slave and will be refused: "+
			"use receive auto, or set net.ipv4.conf.all.rp_filter and that of the slave to 0 or 2", "slave", name)
	}
}

// adopt makes the interface look like the link. IPv6 addresses are given again:
// an MTU that is too small for IPv6 takes them away, until it grows.
func (d *Device) adopt(link host.Link) error {
	if err := d.iface.Adopt(link); err != nil {
		return err
	}
	mtu := min(max(link.MTU, minMTU), maxMTU)
	if err := d.iface.SetMTU(mtu); err != nil || mtu < host.MinIPv6MTU {
		return err
	}
	return d.iface.AddAddresses(host.Only6(d.addresses))
}

// restore undoes what a failed attach did to the interface. What cannot be undone is
// logged: the error that the caller gets is the one that came first.
func (d *Device) restore(before slave.Slave) {
	alias := ""
	if before.Name != "" {
		alias = host.AliasPrefix + before.Name
	}
	err := d.iface.SetAlias(alias)
	if before.Port != nil {
		err = errors.Join(err, d.adopt(before.Link))
	}
	if err != nil {
		d.log.Error("restore the interface after a failed change", "err", err)
	}
}

// exchange swaps the slave for another one, or for none. The counters of the old one
// stay in those of the device. The relay sends to the new one before the old one
// closes, so that a batch in between finds either of them. The relay carries
// everything until the device is refreshed.
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
			d.log.Error("let go of slave", "slave", old.Name, "err", err)
		}
	}
}

// startRX relays what arrives at far until far is closed. It begins when the
// relay has done with the slave before: one goroutine at a time works the relay. In
// backlog the kernel counts what waits at far; nil without a fast path. The caller
// holds d.mu, or nobody else knows the device yet.
func (d *Device) startRX(far port.Port, backlog *kern.Backlog) {
	before, ended := d.rxEnded, make(chan struct{})
	d.rxEnded = ended
	d.group.Go(func() {
		defer close(ended)
		if before != nil {
			<-before
		}
		if err := d.rx.Run(far, backlog); !errors.Is(err, os.ErrClosed) {
			d.log.Error("receive from slave", "err", err)
		}
	})
}
