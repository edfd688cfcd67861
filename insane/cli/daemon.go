package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane"
	"github.com/seed-39a139a1/insane/insane/rights"
)

// daemon runs a device in the foreground until a signal comes.
func (p *program) daemon(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("%q: want flags and no arguments, or lab (see insane --help)", c.Args().First())
	}
	conf, err := config(c, p.err)
	if err != nil {
		return err
	}
	p.reduce(conf)
	ctx, stop := untilSignal(c)
	defer stop()
	d, err := insane.Open(conf)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%w (making a device needs root, or CAP_NET_ADMIN, CAP_NET_RAW and, to receive, CAP_BPF)", err)
	}
	if err != nil {
		return err
	}
	p.filter(conf)
	conf.Receive = d.State().Receive
	announce(conf)
	p.notify(conf, daemon.SdNotifyReady)
	err = d.Run(ctx)
	p.notify(conf, daemon.SdNotifyStopping)
	if err != nil {
		return err
	}
	conf.Log.Info("device is gone", "name", conf.Name)
	return nil
}

// reduce leaves the process the capabilities that it needs. It does not return while it has
// others: the program starts again with fewer.
func (p *program) reduce(conf insane.Config) {
	if !p.own {
		return
	}
	var o rights.Options
	if !strings.HasPrefix(conf.Socket, "@") {
		o.Directory = filepath.Dir(conf.Socket)
	}
	if err := rights.Reduce(o); err != nil {
		conf.Log.Warn("the daemon keeps all its capabilities", "err", err)
	}
}

// filter leaves the process the system calls that it needs.
func (p *program) filter(conf insane.Config) {
	if !p.own {
		return
	}
	switch err := rights.Filter(); {
	case errors.Is(err, rights.ErrNoFilter):
		conf.Log.Info("the daemon may make any system call", "reason", err)
	case err != nil:
		conf.Log.Warn("the daemon may make any system call", "err", err)
	}
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
