package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/rights"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// endPatience is how long the daemon waits, after the signal that ends it, until the device
// is closed. Another process may hold what the device waits for, such as the kernel's lock
// on network configuration. The process ends then all the same, and the kernel closes
// everything that is still open.
const endPatience = 400 * time.Millisecond

// The reader of the log has time until endLimit after the signal, and leastPatience in any
// case. With managerPatience, that makes half a second in all.
const (
	endLimit      = 470 * time.Millisecond
	leastPatience = 40 * time.Millisecond
)

// relays is how many goroutines of a device sleep in the kernel and must run at once when a
// frame comes. Go's scheduler has so many places more than there are processors, so that
// none of them finds all places taken.
const relays = 2

// daemon runs a device in the foreground until a signal comes.
func (p *program) daemon(c *cli.Context) error {
	if c.Args().Present() {
		return stray(c)
	}
	conf, err := config(c, p.err)
	if err != nil {
		return err
	}
	life, err := span(c)
	if err != nil {
		return err
	}
	ns, err := otherNetns(c, &conf)
	if err != nil {
		return err
	}
	if err := p.reduce(conf, ns); err != nil {
		return err
	}
	if p.own {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + relays)
	}
	if warning := wayBack(c, &conf); warning != "" {
		conf.Log.Warn(warning)
	}
	outer, end := context.WithCancel(c.Context)
	defer end()
	ctx, stop := untilSignal(outer)
	defer stop()
	ns.watch(ctx, &conf, end)
	conf.LogDropped = p.err.Dropped
	p.err.tell(func(lines uint64) { conf.Log.Warn("lines of the log were dropped", "lines", lines) })
	var signalled time.Time
	s := &service{program: p, conf: conf, manager: openManager(conf.Log), life: life, end: end}
	err = endsInTime(ctx, s.run, func() { signalled = time.Now(); s.stopping() }, s.leave)
	s.manager.close()
	if !signalled.IsZero() {
		p.patience = max(endLimit-time.Since(signalled), leastPatience)
	}
	return err
}

// untilSignal returns a context that ends with a signal that ends the daemon. SIGHUP is one
// of them unless it was ignored when the program was started, as by nohup(1).
//
// A reader of the log that has closed its end of a pipe is no reason to die: SIGPIPE is caught
// until the process ends, and the write fails. It is caught and not ignored, because a child
// would inherit that.
func untilSignal(outer context.Context) (ctx context.Context, stop func()) {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signal.Ignore(syscall.SIGTTOU) // a terminal that stops those in the background who write to it
	return signal.NotifyContext(outer, ends...)
}

// service is one run of a device.
type service struct {
	program *program
	conf    insane.Config
	manager *manager
	socket  atomic.Pointer[func() error] // removes the file of the control socket; nil until there is one
	left    atomic.Bool                  // whether the file is to be removed as soon as it is there
	life    time.Duration                // the device ends by itself after it; 0: it does not
	end     context.CancelFunc           // ends the device as a signal does
	ending  atomic.Bool                  // whether the manager was told
}

// endsInTime runs run, which ends with ctx, and returns its error, or nil endPatience after the
// end of ctx. began is called when ctx ends, and late if run has not ended in time.
func endsInTime(ctx context.Context, run func(context.Context) error, began, late func()) error {
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	began()
	select {
	case err := <-ended:
		return err
	case <-time.After(endPatience):
		late()
		return nil
	}
}

// leave removes the file of the control socket if the device could not be closed in time, or
// not even be opened.
func (s *service) leave() {
	s.left.Store(true)
	if remove := s.socket.Load(); remove != nil {
		if err := (*remove)(); err != nil && !errors.Is(err, os.ErrClosed) {
			s.conf.Log.Warn("remove control socket", "err", err)
		}
	}
	s.conf.Log.Info("device is gone: the kernel closes what is still open", "name", api.ShowName(s.conf.Name))
}

// listening notes how the file of the control socket is removed. The end may have come before.
func (s *service) listening(remove func() error) {
	s.socket.Store(&remove)
	if s.left.Load() {
		_ = remove() // the process ends now
	}
}

// stopping tells the manager once that the daemon ends.
func (s *service) stopping() {
	if s.ending.CompareAndSwap(false, true) {
		s.manager.tell(daemon.SdNotifyStopping)
	}
}

// run makes the device and runs it until ctx ends.
func (s *service) run(ctx context.Context) error {
	s.conf.Listening = s.listening
	d, err := insane.Open(s.conf)
	if err != nil {
		return advise(err, s.conf.Socket)
	}
	s.program.filter(s.conf)
	s.conf.Receive = d.State().Receive
	announce(s.conf)
	s.manager.tell(daemon.SdNotifyReady)
	s.manager.keepAlive(d.Works, ctx.Done())
	defer s.limit()()
	err = d.Run(ctx)
	s.stopping()
	if err != nil {
		return advise(err, s.conf.Socket)
	}
	s.conf.Log.Info("device is gone", "name", api.ShowName(s.conf.Name))
	return nil
}

// limit ends the device when its time is over, counted from now. The caller calls stop when the
// device has ended.
func (s *service) limit() (stop func() bool) {
	if s.life == 0 {
		return func() bool { return true }
	}
	return time.AfterFunc(s.life, func() {
		s.conf.Log.Info("the time of the device is over", "for", s.life)
		s.end()
	}).Stop
}

// reduce leaves the process the capabilities that it needs, and puts it into the network namespace
// of the device. It does not return while it has others: the program starts again with fewer.
func (p *program) reduce(conf insane.Config, ns *netns) error {
	if !p.own {
		return ns.check(nil)
	}
	o := rights.Options{Before: func() error { return errors.Join(handOver(conf), ns.enter()) }}
	if !strings.HasPrefix(conf.Socket, "@") {
		o.Directory = filepath.Dir(conf.Socket)
	}
	err := rights.Reduce(o)
	if failed := ns.check(err); failed != nil {
		return failed
	}
	if err != nil {
		conf.Log.Warn("the daemon keeps all its capabilities", "err", err)
	}
	return nil
}

// handOver loads the eBPF programs, while the process may load them best, for the program that
// it executes next. If that fails, the device finds the same error and says what it means. It
// also hands over the rules: their file may be standard input, or readable to this process only;
// and the routes, as names of hosts may mean others, or nothing, to that program.
func handOver(conf insane.Config) error {
	// Garbage goes when the program is executed, so it need not be collected before.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	_ = kern.HandOver()
	return errors.Join(handRules(conf.Rules), handRoutes(conf.Routes))
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
	conf.Log.Info("device is there", "name", api.ShowName(conf.Name), "socket", conf.Socket, "slave", api.ShowName(api.ReadName(conf.Slave)),
		"tx", conf.Policy.String(), "rx", conf.RXPolicy.String(), "receive", conf.Receive, "seed", conf.Seed, "rules", len(conf.Rules))
}
