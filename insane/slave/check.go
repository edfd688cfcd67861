package slave

import (
	"fmt"
	"log/slog"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// NoDevice returns the error for a name that no link has (ENODEV). It says so if no link can
// have the name, or if it is only an alternative name of the link real; real is "" otherwise.
func NoDevice(name, real string) error {
	why := "no such device"
	if real != "" {
		why += fmt.Sprintf(`: it is an alternative name of "%s", give that one`, api.ShowName(real))
	} else if err := api.CheckName(name); err != nil {
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

// WarnReversePath warns in the log if the host will refuse IPv4 answers with receive none.
// They arrive at the slave, and strict reverse path filtering accepts them only at the
// interface of the route back, which is the device. A user can change the setting at any
// time, so it is no error.
func WarnReversePath(log *slog.Logger, name, mode string) {
	if mode == api.ReceiveNone && host.StrictReversePath(name) {
		log.Warn("IPv4 answers to what leaves through the device come in through the slave and will be refused: "+
			"use receive auto, or set net.ipv4.conf.all.rp_filter and that of the slave to 0 or 2", "slave", api.ShowName(name))
	}
}
