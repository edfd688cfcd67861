package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seed-39a139a1/insane/insanely/api"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// ErrNotAsAsked is the error of Tour if the device did not do what it was asked to do.
var ErrNotAsAsked = errors.New("not as asked")

// Tour makes a lab, runs a device in borea, and shows on out what the device does: for each
// policy the command, the request and the measurement. It takes about 20 seconds and leaves
// nothing behind. It returns ErrNotAsAsked if a measurement was outside of what the policy
// and chance allow. Further arguments for the daemon, such as a seed, belong into
// options.Insane.
func Tour(ctx context.Context, out io.Writer, options Options) (err error) {
	l, err := New(options)
	if err != nil {
		return err
	}
	// Close is also called below, because the text about the end must come after it.
	defer func() { err = errors.Join(err, l.Close()) }()
	p := newPrinter(out)
	welcome(p)
	d, err := l.Daemon(ctx, l.routeArgs()...)
	if err != nil {
		return err
	}
	s := &story{printer: p, lab: l, control: d.Client, run: probe.Probe.Run, stops: stops()}
	if err := s.tell(ctx); err != nil {
		return d.explain(err)
	}
	if err := d.Stop(); err != nil {
		return fmt.Errorf("stop the daemon: %w%s", err, d.lastWords())
	}
	if err := l.Close(); err != nil {
		return err
	}
	farewell(p)
	return p.err
}

// routeArgs returns the daemon's arguments for the usual set-up: insane in front of Link,
// and a route through it to morgana, but not to her spare addresses.
func (l *Lab) routeArgs() []string {
	return []string{
		"--slave", Link,
		"--route", l.Morgana.IPv4.String() + "/32",
		"--route", l.Morgana.IPv6.String() + "/128",
	}
}

// control is the part of a client that the story needs. *insanely.Client implements it.
type control interface {
	Info(context.Context) (api.Info, error)
	Set(context.Context, api.Change) (api.Info, error)
}

// story goes through the stops. It reaches the kernel only through control and run, so that
// a test can replace both with simulated devices.
type story struct {
	*printer
	lab     *Lab
	control control                                                   // of the device
	run     func(probe.Probe, context.Context) (*probe.Result, error) // probe.Probe.Run
	stops   []stop

	bystander probe.Result // sums over all packets to and from the address that is not routed through the device
	wrong     []string
}

// tell runs the whole story. It fails with ErrNotAsAsked if any result was not as expected.
func (s *story) tell(ctx context.Context) error {
	info, err := s.control.Info(ctx)
	if err != nil {
		return err
	}
	command := fmt.Sprintf("insane %s --seed %d &", strings.Join(s.lab.routeArgs(), " "), info.Seed)
	s.printf("borea# %s\n\n", s.paint(bold, command))
	if err := s.greet(ctx, info.Name); err != nil {
		return err
	}
	return s.tour(ctx)
}

// tour goes to every stop, and reports about the bystander at the end.
func (s *story) tour(ctx context.Context) error {
	for i, stop := range s.stops {
		if err := s.halt(ctx, i+1, stop); err != nil {
			return err
		}
	}
	s.askBystander()
	if len(s.wrong) > 0 {
		return fmt.Errorf("%w: %s", ErrNotAsAsked, strings.Join(s.wrong, ", "))
	}
	s.printf("All %d were as asked.\n", len(s.stops))
	return s.err
}

// greet sends a few packets over each address family, so that the hosts know their
// neighbours before faults begin, and keeps these entries.
func (s *story) greet(ctx context.Context, device string) error {
	b, m := s.lab.Borea, s.lab.Morgana
	if err := b.Do(func() error { return keepNeighbours(device) }); err != nil {
		return err
	}
	if err := m.Do(func() error { return keepNeighbours(Link) }); err != nil {
		return err
	}
	for _, hello := range []stop{{}, {ipv6: true}, {rx: true}, {rx: true, ipv6: true}} {
		hello.count, hello.rate = 10, 1000
		p := hello.probe(s.lab)
		r, err := s.run(p, ctx)
		if err != nil {
			return err
		}
		if r.Received != r.Sent {
			_, to := hello.ends(s.lab)
			return fmt.Errorf("reach %s at %s through %s: %d of %d packets arrived",
				to.Name, p.Address, device, r.Received, r.Sent)
		}
	}
	return nil
}

// askBystander reports what happened to the traffic that did not pass the device.
func (s *story) askBystander() {
	s.printf("And the bystander: all the while packets went past insane, between borea and\n")
	s.printf("%s, which is not re-routed. %s sent, %s lost.  ",
		s.lab.Morgana.SpareIPv4, packets(s.bystander.Sent), number(s.bystander.Lost()))
	var faults []string
	if s.bystander.Lost() != 0 || s.bystander.Refused != 0 {
		faults = []string{"this traffic was to be left alone"}
	}
	s.verdict("bystander", faults)
}

// verdict prints the result of a stop.
func (s *story) verdict(name string, faults []string) {
	if len(faults) == 0 {
		s.printf("%s\n\n", s.paint(green, "ok"))
		return
	}
	s.wrong = append(s.wrong, name)
	s.printf("%s\n", s.paint(red, "NOT OK: "+strings.Join(faults, "; ")))
	s.printf("\n")
}
