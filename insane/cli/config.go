package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane"
	"github.com/seed-39a139a1/insane/insane/session"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/unit"
)

func daemonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "name", Value: api.DefaultName, EnvVars: []string{"INSANE_NAME"}},
		&cli.StringFlag{Name: "netns"},
		&cli.StringFlag{Name: "slave"},
		&cli.StringSliceFlag{Name: "address"},
		&cli.StringSliceFlag{Name: "route"},
		&cli.StringFlag{Name: "receive", Value: api.ReceiveAuto},
		&cli.StringFlag{Name: "path", Value: api.PathAuto},
		&cli.StringFlag{Name: "policy", Value: "pass"},
		&cli.StringFlag{Name: "rx-policy", Value: "pass"},
		&cli.StringFlag{Name: "rules"},
		&cli.BoolFlag{Name: "no-protect"},
		&cli.StringFlag{Name: "seed"},
		&cli.BoolFlag{Name: "judge-neighbours"},
		&cli.StringFlag{Name: "for"},
		&cli.StringFlag{Name: "memory", Value: unit.Size(insane.UsualMemory).String()},
		&cli.StringFlag{Name: "socket", EnvVars: []string{"INSANE_SOCKET"}},
		&cli.StringFlag{Name: "group"},
		&cli.StringFlag{Name: "log-level", Value: "info"},
		&cli.StringFlag{Name: "log-format", Value: "text"},
		cli.HelpFlag,
		cli.VersionFlag,
	}
}

// config reads the flags. It checks everything that it can check, before anything is
// created.
func config(c *cli.Context, stderr io.Writer) (conf insane.Config, err error) {
	if conf.Log, err = logger(stderr, c.String("log-level"), c.String("log-format")); err != nil {
		return conf, usagef("%v", err)
	}
	for _, read := range []func(*cli.Context, *insane.Config) error{names, network, rules, directions, protect, draws, memory, changers} {
		if err := read(c, &conf); err != nil {
			return conf, usagef("%v", err)
		}
	}
	return conf, nil
}

// names reads the names of the interface, the slave and the control socket. A name may be
// given as it is, or as it is shown.
func names(c *cli.Context, conf *insane.Config) error {
	conf.Name, conf.Slave, conf.Socket = api.DefaultName, c.String("slave"), c.String("socket")
	if given(c, "name", "INSANE_NAME") {
		conf.Name = api.ReadName(c.String("name"))
	}
	if err := api.CheckName(conf.Name); err != nil {
		return fmt.Errorf("name: %q: %w", conf.Name, err)
	}
	switch {
	case !given(c, "socket", "INSANE_SOCKET"):
		conf.Socket = api.SocketPath(conf.Name)
	case conf.Socket == "" || conf.Socket == "@" || strings.HasSuffix(conf.Socket, "/"):
		return fmt.Errorf("socket: %q: want the path of a socket, or @NAME", conf.Socket)
	}
	if c.IsSet("slave") && conf.Slave == "" {
		return errors.New(`slave: "": want the name of a link`)
	}
	if slave := api.ReadName(conf.Slave); slave != "" {
		if err := api.CheckName(slave); err != nil {
			return fmt.Errorf("slave: %q: no link can have this name: %w", slave, err)
		}
	}
	return nil
}

// given reports whether a flag was given, or the variable that stands for it. A variable that
// is empty does not count.
func given(c *cli.Context, flag, variable string) bool {
	value, set := os.LookupEnv(variable)
	return c.IsSet(flag) && (c.String(flag) != "" || !set || value != "")
}

// network reads addresses, routes and the path of packets.
func network(c *cli.Context, conf *insane.Config) (err error) {
	if conf.Addresses, err = addresses(c.StringSlice("address")); err != nil {
		return err
	}
	var taken bool
	if conf.Routes, taken, err = takeRoutes(); err != nil {
		return err
	}
	if !taken {
		conf.Routes, err = routes(c.Context, c.StringSlice("route"))
	}
	if err != nil {
		return err
	}
	conf.Path = c.String("path")
	if err := api.CheckPath(conf.Path); err != nil {
		return fmt.Errorf("path: %q: %w", conf.Path, err)
	}
	return nil
}

// protect puts a rule in front that passes the ssh session in which the command was started, if
// its packets would be faulted.
func protect(c *cli.Context, conf *insane.Config) (err error) {
	text := os.Getenv(api.SessionVariable)
	if _, err := api.ParseSession(text); err != nil || c.Bool("no-protect") {
		return nil
	}
	routed := func(to, _ netip.Addr) bool {
		return slices.ContainsFunc(conf.Routes, func(p netip.Prefix) bool { return p.Contains(to) })
	}
	conf.Rules, err = session.Way{Through: routed, Receive: conf.Receive, TX: &conf.Policy, RX: &conf.RXPolicy}.Protect(&text, conf.Rules)
	return err
}

// wayBack returns "" unless a fault of the device may keep the person who starts it from taking it
// back: the device takes everything, not all of it is passed, and the ssh session of that person, if
// there is one, is not known or not to be protected. Then it returns what to tell.
func wayBack(c *cli.Context, conf *insane.Config) string {
	_, err := api.ParseSession(os.Getenv(api.SessionVariable))
	everything := conf.Receive == api.ReceiveAll || slices.ContainsFunc(conf.Routes, func(p netip.Prefix) bool { return p.Bits() == 0 })
	if err == nil && !c.Bool("no-protect") || !everything || passes(conf) {
		return ""
	}
	if err != nil {
		return "all traffic goes through the device, and may be lost: no ssh session is passed, as " +
			api.SessionVariable + " names none (sudo removes it)"
	}
	return "all traffic goes through the device, and may be lost: also this ssh session (--no-protect)"
}

// passes reports whether nothing would happen to any packet.
func passes(conf *insane.Config) bool {
	nothing := policy.Policy{}
	fault := func(p *policy.Policy) bool { return p != nil && *p != nothing }
	return !fault(&conf.Policy) && !fault(&conf.RXPolicy) &&
		!slices.ContainsFunc(conf.Rules, func(r policy.Rule) bool { return fault(r.TX) || fault(r.RX) })
}

// draws reads the seed, and whether policies apply to the messages of neighbours.
func draws(c *cli.Context, conf *insane.Config) (err error) {
	conf.JudgeNeighbours = c.Bool("judge-neighbours")
	conf.Seed, err = seed(c)
	return err
}

// span reads after how long the device ends by itself; 0: it does not.
func span(c *cli.Context) (time.Duration, error) {
	if !c.IsSet("for") {
		return 0, nil
	}
	d, err := api.ParseLease(c.String("for"))
	if err != nil {
		return 0, usagef("for: %q: %v", c.String("for"), err)
	}
	return d, nil
}

// memory reads how much memory packets may need while they wait.
func memory(c *cli.Context, conf *insane.Config) error {
	const least = 4_194_304 // see insane.Config
	size, err := unit.ParseSize(c.String("memory"))
	if err == nil && size < least {
		err = errors.New("must be at least 4.2MB")
	}
	if err != nil {
		return fmt.Errorf("memory: %q: %w", c.String("memory"), err)
	}
	conf.Memory = uint64(size)
	return nil
}

// changers reads who may change the device.
func changers(c *cli.Context, conf *insane.Config) (err error) {
	if c.IsSet("group") && c.String("group") == "" {
		return errors.New(`group: "": want the name or the number of a group`)
	}
	conf.Group, err = group(c.String("group"))
	return err
}

// logger makes a logger that writes to w, with the given level and format. Names that are no
// text are logged as they are shown everywhere.
func logger(w io.Writer, level, format string) (*slog.Logger, error) {
	options := &slog.HandlerOptions{ReplaceAttr: showAttr}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log-level: %q: want debug, info, warn or error", level)
	}
	options.Level = l
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log-format: %q: want text or json", format)
}

// showAttr replaces the bytes of a text that are not printable, as of a name in an error:
// encoding/json would replace them without telling which ones they were.
func showAttr(_ []string, a slog.Attr) slog.Attr {
	switch value := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(api.ShowText(value))
	case error:
		a.Value = slog.StringValue(api.ShowText(value.Error()))
	}
	return a
}
