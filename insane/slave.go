package insane

import (
	"errors"
	"io"
	"strings"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// aliasPrefix begins what `ip link` shows as alias of a device, in front of the
// slave's name. It tells a person what the interface is, and other devices
// where a chain of slaves leads.
const aliasPrefix = "insane: slave "

// isDevice reports whether a link is the interface of a device.
func isDevice(link port.Link) bool { return strings.HasPrefix(link.Alias, aliasPrefix) }

// maxChain bounds the walk along a chain of devices; chains are not deep.
const maxChain = 32

// MTUs that an Ethernet TAP takes (drivers/net/tun.c, tun_net_init).
const (
	minMTU = 68
	maxMTU = 65535 - 14
)

// slave is the NIC a device stands in front of.
type slave struct {
	name   string      // "" if none was given yet
	link   port.Link   // as last seen
	queues int         // for transmitting
	port   *port.Slave // nil if the link is gone

	berth    *kern.Backlog // where what arrives waits for the relay; nil without a fast path
	withhold io.Closer     // keeps from the slave's stack what is taken; nil if nothing is
}

// close closes what a slave has open. The socket goes first: what it no longer
// decides about is the stack's.
func (s *slave) close() (err error) {
	if s.port != nil {
		err = s.port.Close()
	}
	if s.berth != nil {
		s.berth.Release()
	}
	if s.withhold != nil {
		err = errors.Join(err, s.withhold.Close())
	}
	return err
}

// state is one of the api.Slave… states.
func (s *slave) state() string {
	switch {
	case s.name == "":
		return api.SlaveNone
	case s.port == nil:
		return api.SlaveGone
	case !s.link.Carrier:
		return api.SlaveDown
	}
	return api.SlaveUp
}

// end is where the relay sends to, in this state.
func (s *slave) end() *end {
	switch s.state() {
	case api.SlaveNone:
		return &end{why: dropNoSlave}
	case api.SlaveGone:
		return &end{why: dropSlaveGone}
	case api.SlaveDown:
		return &end{why: dropSlaveDown}
	}
	return &end{port: s.port, mtu: s.link.MTU}
}

// checkSlave finds the link that is to be the slave and refuses what cannot be
// one. Errors are those of the original: ENODEV, EINVAL.
func (d *Device) checkSlave(name string) (port.Link, error) {
	if d.host == nil {
		return port.Link{}, api.Errorf(api.ErrInvalid, "slave", "slave: %q: the device has its ports already", name)
	}
	link, err := d.host.links.ByName(name)
	if errors.Is(err, port.ErrNoLink) {
		return port.Link{}, noDevice(name)
	}
	if err != nil {
		return port.Link{}, err
	}
	if link.Index == d.host.tap.Index() {
		return port.Link{}, api.Errorf(api.ErrLoop, "slave", "slave: %q: the device cannot be its own slave", name)
	}
	return link, checkType(link)
}

func noDevice(name string) error {
	return api.Errorf(api.ErrNoDevice, "slave", "slave: %q: no such device", name)
}

func checkType(link port.Link) error {
	if !link.Ethernet && !link.Loopback {
		return api.Errorf(api.ErrWrongType, "slave", "slave: %q: neither Ethernet nor loopback", link.Name)
	}
	return nil
}

// checkChain follows the slaves of slaves and refuses a way back to this
// device. The device has published its own wish before: of two devices that
// choose each other at the same moment at least one sees the other's.
func (h *host) checkChain(link port.Link) error {
	way := link.Name
	for range maxChain {
		if link.Index == h.tap.Index() {
			return api.Errorf(api.ErrLoop, "slave", "slave: %q: the device would be its own slave (by way of %s)",
				strings.Split(way, ", ")[0], way)
		}
		name, ok := strings.CutPrefix(link.Alias, aliasPrefix)
		if !ok {
			return nil
		}
		next, err := h.links.ByName(name)
		if errors.Is(err, port.ErrNoLink) {
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
// stays, and its mode. The caller holds d.mu.
func (d *Device) attach(link port.Link, mode string) (err error) {
	h := d.host
	if h.slave.port != nil && h.slave.link.Index == link.Index && h.slave.port.Bound() {
		return d.switchMode(mode)
	}
	before := h.slave
	if err := h.tap.SetAlias(aliasPrefix + link.Name); err != nil {
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
	link, err = h.links.ByIndex(link.Index)
	if errors.Is(err, port.ErrNoLink) {
		return noDevice(name)
	}
	if err != nil {
		return err
	}
	if err := h.checkChain(link); err != nil {
		return err
	}
	s, err := d.openSlave(link, mode)
	if err != nil {
		return err
	}
	if err := h.adopt(link); err != nil {
		return errors.Join(err, s.close())
	}
	h.receive.mode = mode
	d.exchange(s)
	d.startRX(s.port, s.berth)
	d.log.Info("slave attached", "slave", link.Name, "index", link.Index, "receive", mode)
	if mode == api.ReceiveNone && port.StrictReversePath(link.Name) {
		d.log.Warn("IPv4 answers to what leaves through the device come in through the slave and will be refused: "+
			"use receive auto, or set net.ipv4.conf.all.rp_filter and that of the slave to 0 or 2", "slave", link.Name)
	}
	return nil
}

// adopt makes the interface look like the link. IPv6 addresses are given again:
// an MTU that is too small for IPv6 takes them away, until it grows.
func (h *host) adopt(link port.Link) error {
	if err := h.tap.Adopt(link); err != nil {
		return err
	}
	mtu := min(max(link.MTU, minMTU), maxMTU)
	if err := h.tap.SetMTU(mtu); err != nil || mtu < port.MinIPv6MTU {
		return err
	}
	return h.address(h.addresses6())
}

// restore undoes what a failed attach did to the interface.
func (d *Device) restore(before slave) {
	alias := ""
	if before.name != "" {
		alias = aliasPrefix + before.name
	}
	err := d.host.tap.SetAlias(alias)
	if before.port != nil {
		err = errors.Join(err, d.host.adopt(before.link))
	}
	if err != nil {
		d.log.Error("restore the interface after a failed change", "err", err)
	}
}
