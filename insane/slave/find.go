package slave

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// MaxChain limits the number of devices that a Finder follows, each the slave of the one
// before.
const MaxChain = 32

// Finder looks up links that can be the slave of a device. Its methods wait for the kernel's
// lock on network configuration.
type Finder struct {
	Links  *host.Links
	Device int // index of the device's own interface
}

// Find looks up the link that a user wants as slave, and checks that it can be one. name may
// be in the form of api.ShowName. An *api.Error says why not: ErrNoDevice (ENODEV) if there is
// no such link, ErrWrongType (EINVAL) if it is neither Ethernet nor loopback, ErrLoop (EINVAL)
// if it is the device's own interface.
func (f Finder) Find(name string) (host.Link, error) {
	link, err := f.Links.ByName(api.ReadName(name))
	if errors.Is(err, host.ErrNoLink) {
		return host.Link{}, noDevice(api.ReadName(name), link.Name)
	}
	if err != nil {
		return host.Link{}, err
	}
	if link.Index == f.Device {
		return host.Link{}, api.Errorf(api.ErrLoop, "slave", `slave: "%s": the device cannot be its own slave`, api.ShowName(link.Name))
	}
	return link, CheckType(link)
}

// Again looks a link up once more, after the device has published it as its slave, and checks
// its chain. The link may be another device that has published its slave since the first
// look-up, and may not have seen ours.
func (f Finder) Again(link host.Link) (host.Link, error) {
	now, err := f.Links.ByIndex(link.Index)
	if errors.Is(err, host.ErrNoLink) {
		return now, noDevice(link.Name, "")
	}
	if err != nil {
		return now, err
	}
	return now, f.checkChain(now)
}

// checkChain follows the chain from a slave to the slave of that slave, and returns an
// error if the chain leads back to this device. Each device publishes its choice before it
// checks. So if two devices choose each other at the same moment, at least one of them sees
// the choice of the other.
func (f Finder) checkChain(link host.Link) error {
	way := api.ShowName(link.Name)
	for range MaxChain {
		if link.Index == f.Device {
			return api.Errorf(api.ErrLoop, "slave", `slave: "%s": the device would be its own slave (by way of %s)`,
				strings.Split(way, ", ")[0], way)
		}
		name, ok := link.SlaveName()
		if !ok {
			return nil
		}
		next, err := f.Links.ByName(api.ReadName(name))
		if errors.Is(err, host.ErrNoLink) {
			return nil
		}
		if err != nil {
			return err
		}
		link, way = next, way+", "+api.ShowName(next.Name)
	}
	return api.Errorf(api.ErrLoop, "slave", "slave: a chain of more than %d devices", MaxChain)
}

// noDevice returns the error for a name that no link has (ENODEV). It says so if no link can
// have the name, or if it is only an alternative name of the link real; real is "" otherwise.
func noDevice(name, real string) error {
	why := "no such device"
	if real != "" {
		why += fmt.Sprintf(`: it is an alternative name of "%s", give that one`, api.ShowName(real))
	} else if err := api.CheckName(name); err != nil {
		why += ": " + err.Error()
	}
	return api.Errorf(api.ErrNoDevice, "slave", `slave: "%s": %s`, api.ShowName(name), why)
}
