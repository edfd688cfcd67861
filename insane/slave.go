package insane

import (
	"errors"
	"io"
	"strings"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// maxChain bounds the walk along a chain of devices; chains are not deep.
const maxChain = 32

// MTUs that an Ethernet TAP takes (drivers/net/tun.c, tun_net_init).
const (
	minMTU = 68
	maxMTU = 65535 - 14
)

// slave is the NIC a device stands in front of. Device.mu guards it.
type slave struct {
	name    string      // "" if none was given yet
	link    host.Link   // as of the last pass
	queues  int         // of link, for transmitting
	port    *port.Slave // nil if the link is gone
	adopted host.Link   // MTU and link-layer address that the interface was given
	alias   string      // the name that the interface shows

	backlog *kern.Backlog // where what arrives waits for the relay; nil without a fast path
	steal   io.Closer     // keeps from the slave's stack what is taken; nil if nothing is
}

// close closes what a slave has open. The socket goes first: what it no longer
// decides about is the stack's.
func (s *slave) close() (err error) {
	if s.port != nil {
		err = s.port.Close()
	}
	if s.backlog != nil {
		s.backlog.Release()
	}
	if s.steal != nil {
		err = errors.Join(err, s.steal.Close())
	}
	return err
}

// index is that of the link; 0: none was found yet.
func (s *slave) index() int { return s.link.Index }

// on reports whether the sockets are open on the link of an index.
func (s *slave) on(index int) bool {
	return s.port != nil && s.link.Index == index && s.port.Bound()
}

// state is one of the api.Slave… states.
func (s *slave) state() string { return slaveState(s.name, s.port != nil, s.link) }

// slaveState is the state of a slave whose sockets are open or not.
func slaveState(name string, open bool, link host.Link) string {
	switch {
	case name == "":
		return api.SlaveNone
	case !open:
		return api.SlaveGone
	case !link.Carrier:
		return api.SlaveDown
	}
	return api.SlaveUp
}

// end is where the relay sends to, in this state.
func (s *slave) end() *relay.End {
	switch s.state() {
	case api.SlaveNone:
		return &relay.End{Why: relay.DropNoSlave}
	case api.SlaveGone:
		return &relay.End{Why: relay.DropSlaveGone}
	case api.SlaveDown:
		return &relay.End{Why: relay.DropSlaveDown}
	}
	return &relay.End{Port: s.port, MTU: s.link.MTU}
}

// settle says to the kernel what got lost on the way to the relay. It is to be
// called now and then, each time with whether the relay has been idle since.
func (s *slave) settle(idle bool) {
	if s.backlog != nil {
		s.backlog.Lost(s.port.Overruns())
		s.backlog.Settle(idle)
	}
}

// checkSlave finds the link that is to be the slave and refuses what cannot be
// one. Errors are those of the original: ENODEV, EINVAL.
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

func noDevice(name string) error {
	return api.Errorf(api.ErrNoDevice, "slave", "slave: %q: no such device", name)
}

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

// attach makes a link the slave, in a receive mode; on any error the old one
// stays, and its mode. The caller holds d.mu, and refreshes the device afterwards.
func (d *Device) attach(link host.Link, mode string) (err error) {
	if d.slave.on(link.Index) {
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
	// Look again: the link may be a device that has published its own wish
	// since it was looked up, and may have overlooked ours.
	name := link.Name
	link, err = d.links.ByIndex(link.Index)
	if errors.Is(err, host.ErrNoLink) {
		return noDevice(name)
	}
	if err != nil {
		return err
	}
	if err := d.checkChain(link); err != nil {
		return err
	}
	s, err := d.openSlave(link, mode)
	if err != nil {
		return err
	}
	if err := d.adopt(link); err != nil {
		return errors.Join(err, s.close())
	}
	s.adopted, s.alias = link, name
	d.receive.mode = mode
	d.exchange(s)
	d.startRX(s.port, s.backlog)
	d.log.Info("slave attached", "slave", link.Name, "index", link.Index, "receive", mode)
	if mode == api.ReceiveNone && host.StrictReversePath(link.Name) {
		d.log.Warn("IPv4 answers to what leaves through the device come in through the slave and will be refused: "+
			"use receive auto, or set net.ipv4.conf.all.rp_filter and that of the slave to 0 or 2", "slave", link.Name)
	}
	return nil
}

// restore undoes what a failed attach did to the interface.
func (d *Device) restore(before slave) {
	alias := ""
	if before.name != "" {
		alias = host.AliasPrefix + before.name
	}
	err := d.iface.SetAlias(alias)
	if before.port != nil {
		err = errors.Join(err, d.adopt(before.link))
	}
	if err != nil {
		d.log.Error("restore the interface after a failed change", "err", err)
	}
}

// exchange swaps the slave. The relay sends to the new one before the old one
// closes, so that a batch in between finds either of them. The relay carries
// everything until the device is refreshed.
func (d *Device) exchange(s slave) {
	d.settle()
	d.tx.CloseKernel()
	d.rx.CloseKernel()
	old := d.slave
	d.slave = s
	d.changes++
	d.keepLosses(old.port)
	d.tx.SetEnd(s.end())
	if old.port != nil {
		if err := old.close(); err != nil {
			d.log.Error("let go of slave", "slave", old.name, "err", err)
		}
	}
}
