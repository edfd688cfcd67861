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

// ErrNotAsAsked is what Tour returns when the device did not do what it was asked.
var ErrNotAsAsked = errors.New("not as asked")

// Tour makes a lab, runs a device in borea, and shows on out what it does:
// for each policy the command, what was asked, and what was measured beside it.
// It takes about 20 seconds, leaves nothing behind, and returns ErrNotAsAsked if any
// measurement was outside of what the policy and chance allow. Whatever is to
// be given to the daemon besides, say a seed, belongs into options.Insane.
func Tour(ctx context.Context, out io.Writer, options Options) (err error) {
	l, err := New(options)
	if err != nil {
		return err
	}
	// Close is called below too, as nothing may be said to be gone before.
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

// routeArgs are the daemon's arguments for the usual set-up: insane in front of
// Link, and morgana reached through it, but not her spare addresses.
func (l *Lab) routeArgs() []string {
	return []string{
		"--slave", Link,
		"--route", l.Morgana.IPv4.String() + "/32",
		"--route", l.Morgana.IPv6.String() + "/128",
	}
}

// control is what the story needs of a daemon; a client of one has it.
type control interface {
	Info(context.Context) (api.Info, error)
	Set(context.Context, api.Change) (api.Info, error)
}

// story walks through the stops. All that it needs of the kernel comes in by
// control and run, so that its judgement can be tested with imagined devices.
type story struct {
	*printer
	lab     *Lab
	control control                                                   // of the device
	run     func(probe.Probe, context.Context) (*probe.Result, error) // probe.Probe.Run
	stops   []stop

	bystander probe.Result // sums of all that went to and from the address that is not re-routed
	wrong     []string
}

// tell is the whole story. It fails with ErrNotAsAsked if any of it was not.
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

// tour goes to every stop, and asks the bystander at the end.
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

// greet sends a few packets each way of addressing, so that the neighbours are
// known before faults begin, and keeps it that way.
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

// askBystander says how the traffic fared that the device had nothing to do with.
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

// verdict closes a stop.
func (s *story) verdict(name string, faults []string) {
	if len(faults) == 0 {
		s.printf("%s\n\n", s.paint(green, "ok"))
		return
	}
	s.wrong = append(s.wrong, name)
	s.printf("%s\n", s.paint(red, "NOT OK: "+strings.Join(faults, "; ")))
	s.printf("\n")
}
