package insane

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Config says what to open. Only Name is needed.
type Config struct {
	Name      string         // of the interface; at most 15 bytes
	Slave     string         // name of the slave; "": none yet
	Addresses []netip.Prefix // that the interface gets
	Routes    []netip.Prefix // that lead through the interface, with the slave's gateway and source address
	Policy    policy.Policy  // of tx
	RXPolicy  policy.Policy  // of rx; with Receive none only pass
	Receive   string         // one of the api.Receive… modes; "": none
	Path      string         // api.PathAuto, PathRelay or PathKernel; "": relay
	Seed      uint64         // of every draw
	Socket    string         // path of the control socket; "": none
	Group     *uint32        // whose members may change the device beside root and the daemon's own user
	Log       *slog.Logger   // nil: nothing is logged
}

// presence is a device's presence in the kernel. Device.mu guards it, but for lost.
type presence struct {
	links   *host.Links
	tap     *port.TAP
	iface   *host.Interface       // what the TAP is in the kernel
	control *host.ControlListener // nil if none was asked for
	group   *uint32
	slave   slave
	receive receiving
	path    path
	heart   *heart
	routes  routes

	addresses []netip.Prefix // that were asked for
	lost      losses
}

// Open creates the interface and what Config asks for. With an address or a
// route the interface is also set up. On an error nothing is left. The device
// works from Run on; whoever does not call Run calls Close.
func Open(c Config) (*Device, error) {
	if err := CheckName(c.Name); err != nil {
		return nil, err
	}
	h := &presence{group: c.Group, heart: newHeart(), receive: receiving{mode: api.ReceiveNone}}
	d, err := h.open(c)
	if err != nil {
		h.close()
		if h.links != nil {
			h.links.Close()
		}
		return nil, err
	}
	if err := d.furnish(c); err != nil {
		d.Close()
		return nil, err
	}
	if h.path.queue == nil && c.Path == api.PathAuto {
		d.log.Info("no fast path: the relay carries everything", "reason", h.path.none)
	}
	return d, nil
}

// open takes what makes a daemon the only one of its name: first the socket,
// then the interface.
func (h *presence) open(c Config) (d *Device, err error) {
	if c.Socket != "" {
		if h.control, err = host.ListenControl(c.Socket); err != nil {
			return nil, err
		}
	}
	if h.links, err = host.OpenLinks(); err != nil {
		return nil, err
	}
	if h.tap, err = port.OpenTAP(c.Name); err != nil {
		return nil, err
	}
	if h.iface, err = host.NewInterface(h.links, h.tap.Index()); err != nil {
		return nil, err
	}
	d = newDevice(h.tap, Options{Name: c.Name, TX: c.Policy, Seed: c.Seed, Log: c.Log})
	d.host = h
	if err := d.openPath(c.Path); err != nil {
		d.Close()
		return nil, err
	}
	d.steer()
	return d, nil
}

// furnish does to the interface what a person would do with ip and insanely.
func (d *Device) furnish(c Config) error {
	h := d.host
	h.addresses = c.Addresses
	if err := h.address(h.addresses); err != nil {
		return err
	}
	if len(c.Addresses)+len(c.Routes) > 0 {
		if err := h.iface.SetUp(); err != nil {
			return err
		}
	}
	if _, err := d.Set(c.change()); err != nil {
		return err
	}
	h.routes.wanted = c.Routes
	return h.routes.keep(h)
}

// change is the part of a Config that can be changed later.
func (c *Config) change() (change api.Change) {
	if c.Slave != "" {
		change.Slave = &c.Slave
	}
	if c.Receive != "" {
		change.Receive = &c.Receive
	}
	if rx := c.RXPolicy.String(); rx != "pass" {
		change.RX = &rx
	}
	return change
}

// address gives the interface addresses.
func (h *presence) address(list []netip.Prefix) error {
	for _, a := range list {
		if err := h.iface.AddAddress(a); err != nil {
			return err
		}
	}
	return nil
}

// addresses6 are those that are lost when the kernel takes IPv6 off the interface.
func (h *presence) addresses6() (list []netip.Prefix) {
	for _, a := range h.addresses {
		if a.Addr().Is6() {
			list = append(list, a)
		}
	}
	return list
}

// close closes what was opened, except links: Device.Close waits for those who
// use them.
func (h *presence) close() error {
	if h.tap != nil {
		h.tap.Close()
	}
	h.heart.end()
	err := errors.Join(h.slave.close(), h.path.close(), h.receive.close())
	if h.control != nil {
		err = errors.Join(err, h.control.Close())
	}
	return err
}

// CheckName says whether an interface can have the name (see api.CheckName).
func CheckName(name string) error {
	if err := api.CheckName(name); err != nil {
		return fmt.Errorf("name: %q: %w", name, err)
	}
	return nil
}
