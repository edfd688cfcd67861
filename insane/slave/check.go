package slave

import (
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// NoDevice returns the error for a name that no link has (ENODEV). It says so if no link can
// have the name.
func NoDevice(name string) error {
	why := "no such device"
	if err := api.CheckName(name); err != nil {
		why += ": " + err.Error()
	}
	return api.Errorf(api.ErrNoDevice, "slave", `slave: "%s": %s`, api.ShowName(name), why)
}

// CheckType returns an *api.Error (EINVAL) if the link cannot be a slave: only Ethernet and
// loopback links can.
func CheckType(link host.Link) error {
	if !link.Ethernet && !link.Loopback {
		return api.Errorf(api.ErrWrongType, "slave", `slave: "%s": neither Ethernet nor loopback`, api.ShowName(link.Name))
	}
	return nil
}
