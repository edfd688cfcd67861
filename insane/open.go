package insane

import (
	"errors"
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

// Config says what to open. The zero value relays every packet.
type Config struct {
	Name     string             // of the interface; at most 15 bytes
	Policy   policy.Policy      // of tx
	RXPolicy policy.Policy      // of rx; with api.ReceiveNone it must be pass
	Rules    policy.Rules       // of both directions, in front of these
	Seed     uint64             // for the pseudo-random draws of both directions
	Clock    func() policy.Time // CLOCK_MONOTONIC; nil: the system's
	Log      *slog.Logger       // nil: nothing is logged

	JudgeNeighbours bool // policies apply to ARP, neighbour discovery, IGMP and MLD as well

	// Memory is how many bytes packets of both directions may need while they wait; 0:
	// UsualMemory. Less than 4 MiB is too little for both directions to hold anything.
	Memory uint64

	// New ignores the fields below, because it gets open ports.
	Slave     string         // name of the slave; "": none yet
	Addresses []netip.Prefix // addresses for the interface
	Routes    []netip.Prefix // destinations to route through the interface, with the slave's gateway and source address
	Receive   string         // one of the api.Receive… modes; "": none
	SendOnly  bool           // where the kernel allows no receive filter, Receive is none
	Path      string         // api.PathAuto, PathRelay or PathKernel; "": relay
	Socket    string         // path of the control socket; "": none
	Group     *uint32        // members of this group may change the device, like root and the daemon's own user
	Outside   string         // the network namespace from which the daemon was put into this one; "": it was not

	// Listening is called when the control socket is there, before the rest of the device is.
	// leave removes the file of the socket and stops listening; it waits for nothing, and may
	// be called at any time. nil: nobody wants to know.
	Listening func(leave func() error)

	LogDropped func() uint64 // how many lines of the log were lost, for State; must not wait; nil: none
}

// UsualMemory is how many bytes packets may need while they wait if nobody says otherwise.
const UsualMemory = 512_000_000

// New makes a device between two open ports: near leads to the host, far to the slave. far
// may be nil. New opens nothing; Run closes both ports. The clock need not be
// CLOCK_MONOTONIC, because such a device has no fast path.
func New(near, far port.Port, c Config) *Device {
	d := newDevice(near, c)
	if far != nil {
		d.tx.SetEnd(&relay.End{Port: far})
		d.source.Next(far, nil)
	}
	d.publish()
	return d
}

// Open creates the interface and everything else that Config asks for, in the network
// namespace of the calling thread. With an address or a route it also sets the interface
// up. On an error nothing is left. The device relays while Run runs; a caller that does not
// call Run must call Close.
func Open(c Config) (*Device, error) {
	if err := api.CheckName(c.Name); err != nil {
		return nil, fmt.Errorf("name: %q: %w", c.Name, err)
	}
	d, err := open(c)
	if err != nil {
		return nil, err
	}
	if err := d.furnish(c); err != nil {
		d.Close()
		return nil, err
	}
	if !d.path.Exists() && c.Path == api.PathAuto {
		d.log.Info("no fast path: the relay carries everything", "reason", d.path.None)
	}
	return d, nil
}

// open opens first the control socket and then the interface. Both exist once per name, so
// a second daemon of this name fails here.
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
		if control, err = host.AwaitControl(c.Socket); err != nil {
			return nil, err
		}
		if c.Listening != nil {
			c.Listening(control.Close)
		}
	}
	if links, err = host.OpenLinks(); err != nil {
		return nil, err
	}
	tap, err := port.OpenTAP(c.Name)
	if err != nil {
		return nil, err
	}
	iface, err := host.NewInterface(links, tap)
	if err != nil {
		tap.Close()
		return nil, err
	}
	near := c
	near.RXPolicy = policy.Policy{} // Set checks it together with the receive mode
	d = newDevice(tap, near)
	d.links, d.tap, d.iface, d.control, d.members, d.logDropped = links, tap, iface, control, c.Group, c.LogDropped
	d.namespace, d.outside = host.Namespace(), c.Outside
	return d, nil
}

// furnish configures the interface as a user would with ip and insanely.
func (d *Device) furnish(c Config) error {
	if err := d.openPath(c.Path); err != nil {
		return err
	}
	d.mu.Lock()
	d.refresh()
	d.mu.Unlock()
	d.given.Addresses = c.Addresses
	if _, err := d.iface.AddAddresses(c.Addresses); err != nil {
		return err
	}
	if len(c.Addresses)+len(c.Routes) > 0 {
		if err := d.iface.SetUp(); err != nil {
			return err
		}
	}
	_, err := d.Set(c.change())
	if errors.Is(err, api.ErrNoReceive) && c.SendOnly {
		d.log.Warn("what arrives stays with the slave: the device can only send", "receive", api.ReceiveNone, "err", err)
		c.Receive = api.ReceiveNone
		_, err = d.Set(c.change())
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given.Destinations = c.Routes
	routes := &d.given.Routes
	_, err = routes.Keep(d.iface, d.observer().Look(observe.PartRoutes, d.seen).Routes, d.log)
	return err
}

// change returns the part of a Config that can also be changed later.
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
