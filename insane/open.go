package insane

import (
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Config says what to open. The zero value is a plain wire. Open checks it as a whole;
// the errors are those of Set and name the member, or those of the kernel.
type Config struct {
	Name     string             // of the interface; at most 15 bytes
	Policy   policy.Policy      // of tx
	RXPolicy policy.Policy      // of rx; with api.ReceiveNone only pass
	Seed     uint64             // of every draw
	Clock    func() policy.Time // CLOCK_MONOTONIC; nil: the system's
	Log      *slog.Logger       // nil: nothing is logged

	// The rest is for Open alone: New has its ports already.
	Slave     string         // name of the slave; "": none yet
	Addresses []netip.Prefix // that the interface gets
	Routes    []netip.Prefix // that lead through the interface, with the slave's gateway and source address
	Receive   string         // one of the api.Receive… modes; "": none
	Path      string         // api.PathAuto, PathRelay or PathKernel; "": relay
	Socket    string         // path of the control socket; "": none
	Group     *uint32        // whose members may change the device beside root and the daemon's own user
}

// New makes a device between two open ports, near the host's and far the
// slave's; far may be nil, and then every frame is lost for want of a slave. It opens
// nothing, and Run closes both. Such a device has no receive mode but api.ReceiveNone
// and no fast path, and its slave cannot be changed.
func New(near, far port.Port, c Config) *Device {
	d := newDevice(near, c)
	if far != nil {
		d.tx.SetEnd(&relay.End{Port: far})
		d.startRX(far, nil)
	}
	d.publish()
	return d
}

// Open creates the interface and what Config asks for. With an address or a
// route the interface is also set up. On an error nothing is left. The device
// works from Run on; a caller that does not call Run calls Close.
func Open(c Config) (*Device, error) {
	if err := CheckName(c.Name); err != nil {
		return nil, err
	}
	d, err := open(c)
	if err != nil {
		return nil, err
	}
	if err := d.furnish(c); err != nil {
		d.Close()
		return nil, err
	}
	if !d.path.exists() && c.Path == api.PathAuto {
		d.log.Info("no fast path: the relay carries everything", "reason", d.path.none)
	}
	return d, nil
}

// open takes what makes a daemon the only one of its name: first the socket,
// then the interface. Of two daemons that begin at the same moment one fails here,
// before it has changed anything. On an error nothing is left.
func open(c Config) (d *Device, err error) {
	var control *host.ControlListener
	var links *host.Links
	defer func() {
		if d != nil || err == nil {
			return
		}
		if links != nil {
			links.Close()
		}
		if control != nil {
			control.Close()
		}
	}()
	if c.Socket != "" {
		if control, err = host.ListenControl(c.Socket); err != nil {
			return nil, err
		}
	}
	if links, err = host.OpenLinks(); err != nil {
		return nil, err
	}
	tap, err := port.OpenTAP(c.Name)
	if err != nil {
		return nil, err
	}
	iface, err := host.NewInterface(links, tap.Index())
	if err != nil {
		tap.Close()
		return nil, err
	}
	near := c
	near.RXPolicy = policy.Policy{} // Set checks it together with the receive mode
	d = newDevice(tap, near)
	d.links, d.tap, d.iface, d.control, d.members = links, tap, iface, control, c.Group
	return d, nil
}

// furnish does to the interface what a person would do with ip and insanely. The
// fast path comes first, while the interface has no frames; the routes come last, as
// they borrow from the slave. On an error the caller closes the device.
func (d *Device) furnish(c Config) error {
	if err := d.openPath(c.Path); err != nil {
		return err
	}
	d.mu.Lock()
	d.refresh()
	d.mu.Unlock()
	d.addresses = c.Addresses
	if err := d.iface.AddAddresses(d.addresses); err != nil {
		return err
	}
	if len(c.Addresses)+len(c.Routes) > 0 {
		if err := d.iface.SetUp(); err != nil {
			return err
		}
	}
	if _, err := d.Set(c.change()); err != nil {
		return err
	}
	return d.setRoutes(c.Routes)
}

// setRoutes leads destinations through the interface for the first time. A destination
// that the host leads elsewhere already is an error; later ones are only logged.
func (d *Device) setRoutes(list []netip.Prefix) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.routes.Wanted, d.flushed = list, false
	return d.routes.Keep(d.iface, d.observer().Look(observe.PartRoutes, d.seen).Routes)
}

// change is the part of a Config that can be changed later.
func (c *Config) change() (change api.Change) {
	if c.Slave != "" {
		change.Slave = &c.Slave
	}
	if c.Receive != "" {
		change.Receive = &c.Receive
	}
	if c.RXPolicy != (policy.Policy{}) {
		rx := c.RXPolicy.String()
		change.RX = &rx
	}
	return change
}

// CheckName says whether an interface can have the name (see api.CheckName).
func CheckName(name string) error {
	if err := api.CheckName(name); err != nil {
		return fmt.Errorf("name: %q: %w", name, err)
	}
	return nil
}
