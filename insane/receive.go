package insane

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/wire"
	"github.com/seed-39a139a1/insane/policy"
)

// receiving is what a device does about the frames that arrive at its slave.
// Device.mu guards it.
type receiving struct {
	mode   string        // one of the wire.Receive… modes
	filter *kern.Receive // nil until a mode needs it
	lease  *lease        // nil as long as filter is
	claims kern.Claims   // in force
	idle   string        // why nothing is taken; "" if the device takes what it should
}

// checkReceive finds out whether a mode is one, and possible with a slave and
// with the policy of rx. It loads the filter that the mode needs.
func (d *Device) checkReceive(mode string, slave port.Link, rx policy.Policy) error {
	switch {
	case !slices.Contains(wire.ReceiveModes(), mode):
		return wire.Errorf(wire.ErrInvalid, "receive", "receive: %q: want %s", mode, wantedModes())
	case mode == wire.ReceiveNone && rx != (policy.Policy{}):
		return wire.Errorf(wire.ErrInvalid, "rx",
			"rx: %q: with receive none nothing that arrives is the device's to fault", rx)
	case mode == wire.ReceiveNone:
		return nil
	case d.host == nil:
		return wire.Errorf(wire.ErrInvalid, "receive", "receive: %q: the device has its ports already", mode)
	case slave.Loopback:
		return wire.Errorf(wire.ErrWrongType, "slave", "slave: %q: what arrives at loopback is this host's own; "+
			"it can be a slave with receive none, not with %s", slave.Name, mode)
	}
	return d.openFilter(mode)
}

func wantedModes() string {
	modes := wire.ReceiveModes()
	last := len(modes) - 1
	return strings.Join(modes[:last], ", ") + " or " + modes[last]
}

// openFilter loads the receive filter if it is not there.
func (d *Device) openFilter(mode string) error {
	r := &d.host.receive
	if r.filter != nil {
		return nil
	}
	filter, err := kern.OpenReceive(d.name)
	if err != nil {
		return noReceive(mode, err)
	}
	r.filter = filter
	r.lease = &lease{filter: filter, clock: d.clock, works: d.rx.works, stop: make(chan struct{})}
	d.group.Go(r.lease.beat)
	return nil
}

// noReceive names what is missing and how to do without.
func noReceive(mode string, err error) error {
	return wire.Errorf(wire.ErrNoReceive, "receive", "receive: %q: %v; --receive none does without", mode, err)
}

// close ends what openFilter began.
func (r *receiving) close() error {
	if r.filter == nil {
		return nil
	}
	return r.lease.end()
}

// socketFilter is what the slave's socket gets in a mode.
func (r *receiving) socketFilter(mode string) port.Filter {
	switch mode {
	case wire.ReceiveAuto:
		return port.Program(r.filter.Auto())
	case wire.ReceiveAll:
		return port.Program(r.filter.All())
	}
	return port.FilterNeighbours()
}

// openSlave opens the ports of a slave for a mode. The program at ingress comes
// first and goes last: a frame that the socket takes must not be the stack's too.
func (r *receiving) openSlave(link port.Link, mode string) (far *port.Slave, withhold io.Closer, err error) {
	if mode != wire.ReceiveNone {
		if withhold, err = r.filter.Attach(link.Index); err != nil {
			return nil, nil, noReceive(mode, err)
		}
	}
	far, err = port.OpenSlave(link, r.socketFilter(mode))
	if err != nil && withhold != nil {
		err = errors.Join(err, withhold.Close())
	}
	return far, withhold, err
}

// switchMode makes the ports that are open work in another mode. Which frame is
// whose changes between two of them.
func (d *Device) switchMode(mode string) (err error) {
	r, s := &d.host.receive, &d.host.slave
	if mode == r.mode {
		return nil
	}
	if s.port != nil {
		if err := s.switchMode(r, mode); err != nil {
			return err
		}
	}
	r.mode = mode
	d.publish()
	d.log.Info("receive mode changed", "receive", mode)
	d.reclaim()
	return nil
}

// switchMode is Device.switchMode for a slave that is there.
func (s *slave) switchMode(r *receiving, mode string) (err error) {
	withhold := s.withhold
	if mode != wire.ReceiveNone && withhold == nil {
		if withhold, err = r.filter.Attach(s.link.Index); err != nil {
			return noReceive(mode, err)
		}
	}
	if err := s.port.SetFilter(r.socketFilter(mode)); err != nil {
		if s.withhold == nil && withhold != nil {
			err = errors.Join(err, withhold.Close())
		}
		return err
	}
	s.withhold = withhold
	if mode == wire.ReceiveNone && withhold != nil {
		s.withhold = nil
		// The old filter may be deciding still, on another processor, and
		// its decision must be met: an exchange of claims waits for that.
		err := r.filter.Claim(nil)
		r.claims = nil
		return errors.Join(err, withhold.Close())
	}
	return nil
}

// reclaim brings in line with the host what the device takes.
func (d *Device) reclaim() {
	h := d.host
	o, err := look(h.links, d.name)
	if err == nil {
		err = d.claim(&o, o.claims(h.tap.Index()))
	}
	if err != nil { // the next change of anything tries again
		d.log.Error("follow addresses and routes", "err", err)
	}
}

// claim takes what the outlook says is the device's.
func (d *Device) claim(o *outlook, claims kern.Claims) error {
	h := d.host
	r, s := &h.receive, &h.slave
	if r.filter == nil {
		return nil
	}
	tap, there := o.link(h.tap.Index())
	r.idle = d.idle(tap, there)
	var errs []error
	if !maps.Equal(claims, r.claims) {
		err := r.filter.Claim(claims)
		if err == nil {
			r.claims = claims
		}
		errs = append(errs, err)
	}
	if s.port != nil {
		// Whoever has the interface promiscuous wants what is addressed to
		// others: a bridge that it is part of, or tcpdump.
		others := tap.Promisc && (r.mode == wire.ReceiveAll || r.mode == wire.ReceiveAuto && tap.Master != 0)
		errs = append(errs, s.port.SetPromiscuous(others))
	}
	d.publish()
	return errors.Join(append(errs, r.lease.arm(r.mode != wire.ReceiveNone && r.idle == ""))...)
}

// idle says why nothing can be taken, if so. While the interface is down nothing
// is: whoever takes it down does not want to be cut off.
func (d *Device) idle(tap port.Link, there bool) string {
	switch {
	case d.host.receive.mode == wire.ReceiveNone:
		return ""
	case d.host.slave.name == "":
		return "there is no slave"
	case d.host.slave.port == nil:
		return d.host.slave.name + " is gone"
	case !there:
		return d.name + " is not in this network namespace"
	case !tap.Up:
		return d.name + " is down"
	}
	return ""
}

// How much longer than its last look the device waits before it looks again, and
// at most: following a host with many routes that change all the time must not
// cost a processor.
const (
	claimPause     = 9
	longClaimPause = time.Second
)

// followHost looks at the host after a change of its links, addresses or routes.
// It looks without the device's lock, as that may take long on a host with many
// routes; if the device changed meanwhile, the next look is right.
func (d *Device) followHost(ctx context.Context) {
	d.mu.Lock()
	takes := d.host.receive.filter != nil
	d.mu.Unlock()
	if !takes {
		return
	}
	began := time.Now()
	o, err := look(d.host.links, d.name)
	if err == nil {
		claims := o.claims(d.host.tap.Index())
		d.mu.Lock()
		if !d.closed {
			err = d.claim(&o, claims)
		}
		d.mu.Unlock()
	}
	if err != nil {
		d.log.Error("follow addresses and routes", "err", err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(min(claimPause*time.Since(began), longClaimPause)):
	}
}

// takes describes what is taken for a person.
func (r *receiving) takes() wire.Takes {
	t := wire.Takes{To: []string{}, From: []string{}, Idle: r.idle}
	if r.mode != wire.ReceiveAuto {
		return t
	}
	prefixes := slices.SortedFunc(maps.Keys(r.claims), func(a, b netip.Prefix) int {
		if n := a.Addr().Compare(b.Addr()); n != 0 {
			return n
		}
		return a.Bits() - b.Bits()
	})
	for _, p := range prefixes {
		claim := r.claims[p]
		switch {
		case claim&kern.Own == 0 && (claim&kern.Routed == 0 || r.claims.Wider(p)&kern.Routed != 0):
		case len(t.To)+len(t.From) >= wire.MaxTakes:
			t.More++
		case claim&kern.Own != 0:
			t.To = append(t.To, p.Addr().String())
		case p.IsSingleIP():
			t.From = append(t.From, p.Addr().String())
		default:
			t.From = append(t.From, p.String())
		}
	}
	return t
}
