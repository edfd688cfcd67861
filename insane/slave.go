package insane

import (
	"errors"
	"os"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/slave"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// The range of MTUs, in bytes, that an Ethernet TAP accepts (drivers/net/tun.c,
// tun_net_init).
const (
	minMTU = 68
	maxMTU = 65535 - 14
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
		Link: link, Receive: mode, Objects: d.receive.objects, Kernel: d.rx.Kernel(), Before: &d.slave,
	})
	if err != nil {
		return err
	}
	if err := d.adopt(link); err != nil {
		return errors.Join(err, s.Close())
	}
	d.adopted = link
	d.receive.mode = mode
	d.exchange(s)
	d.startRX(s.Port, s.Backlog())
	d.log.Info("slave attached", "slave", api.ShowName(link.Name), "index", link.Index, "receive", mode)
	slave.WarnReversePath(d.log, link.Name, mode)
	if err := s.Forgets(); err != nil {
		d.log.Warn("answers of hosts routed through the device are the device's, also those to sockets bound to the slave", "why", err)
	}
	return nil
}

// adopt gives the interface the MTU and the link-layer address of the link. The kernel takes
// IPv6 off the interface while the MTU is too small for it.
func (d *Device) adopt(link host.Link) error {
	if err := d.iface.Adopt(link); err != nil {
		return err
	}
	return d.iface.SetMTU(min(max(link.MTU, minMTU), maxMTU))
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
		err = errors.Join(err, d.adopt(before.Link))
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

// startRX relays the frames that arrive at far until far is closed. It begins when the
// relay has finished with the previous slave. What that still holds comes first: the kernel
// lets no later frame of the slave overtake it. The caller holds d.mu.
func (d *Device) startRX(far port.Port, backlog *kern.Backlog) {
	if backlog != nil {
		backlog.Hold()
	}
	before, ended := d.rxEnded, make(chan struct{})
	d.rxEnded = ended
	if d.silence != nil {
		d.silence.Close()
		d.silence = nil
	}
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

// startSilence lets the relay of rx pass on what it holds while there is no slave. The caller
// holds d.mu.
func (d *Device) startSilence() {
	silence, err := port.OpenSilence()
	if err != nil {
		d.log.Error("pass on what has arrived before the slave was gone", "err", err)
		return
	}
	d.startRX(silence, nil)
	d.silence = silence
}
