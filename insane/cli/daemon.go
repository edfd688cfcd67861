package cli

import (
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane"
)

// daemon runs a device in the foreground until a signal comes.
func (p *program) daemon(c *cli.Context) error {
	if c.Args().Present() {
		return stray(c)
	}
	conf, err := config(c, p.err)
	if err != nil {
		return err
	}
	d, err := insane.Open(conf)
	if err != nil {
		return advise(err, conf.Socket)
	}
	announce(conf)
	p.notify(conf, daemon.SdNotifyReady)
	err = d.Run(c.Context)
	p.notify(conf, daemon.SdNotifyStopping)
	if err != nil {
		return err
	}
	conf.Log.Info("device is gone", "name", conf.Name)
	return nil
}

// announce logs the configuration. It logs policies as text, because encoding/json would
// print an empty object for them.
func announce(conf insane.Config) {
	conf.Log.Info("device is there", "name", conf.Name, "socket", conf.Socket, "slave", conf.Slave,
		"tx", conf.Policy.String(), "rx", conf.RXPolicy.String(), "receive", conf.Receive, "seed", conf.Seed)
}

// notify sends a state to the service manager, if the service manager wants it
// (sd_notify(3)).
func (p *program) notify(conf insane.Config, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		conf.Log.Warn("notify service manager", "err", err)
	}
}
