package insane

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insanely/api"
)

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
	if r.programs == nil {
		return nil
	}
	tap, there := o.link(h.tap.Index())
	r.idle = d.idle(tap, there)
	var errs []error
	if !maps.Equal(claims, r.claims) {
		err := r.programs.Claim(claims)
		if err == nil {
			r.claims = claims
		}
		errs = append(errs, err)
	}
	if s.port != nil {
		// Whoever has the interface promiscuous wants what is addressed to
		// others: a bridge that it is part of, or tcpdump.
		others := tap.Promiscuity > 0 && (r.mode == api.ReceiveAll || r.mode == api.ReceiveAuto && tap.Master != 0)
		errs = append(errs, s.port.SetPromiscuous(others))
	}
	r.lease.arm(r.mode != api.ReceiveNone && r.idle == "")
	d.steer()
	return errors.Join(errs...)
}

// idle says why nothing can be taken, if so. While the interface is down nothing
// is: whoever takes it down does not want to be cut off.
func (d *Device) idle(tap host.Link, there bool) string {
	switch {
	case d.host.receive.mode == api.ReceiveNone:
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

// followHost is followOnce after a change, with the pause.
func (d *Device) followHost(ctx context.Context) {
	began := time.Now()
	d.followOnce()
	select {
	case <-ctx.Done():
	case <-time.After(min(claimPause*time.Since(began), longClaimPause)):
	}
}

// followOnce looks at the host's links, addresses and routes. It looks without the device's lock, as that may take long on a host with many
// routes; if the device changed meanwhile, the next look is right.
func (d *Device) followOnce() {
	d.mu.Lock()
	takes := d.host.receive.programs != nil && d.host.receive.mode != api.ReceiveNone
	d.mu.Unlock()
	if !takes {
		return
	}
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
}

// takes describes what is taken for a person.
func (r *receiving) takes() api.Takes {
	t := api.Takes{To: []string{}, From: []string{}, Idle: r.idle}
	if r.mode != api.ReceiveAuto {
		return t
	}
	for _, p := range slices.SortedFunc(maps.Keys(r.claims), netip.Prefix.Compare) {
		claim := r.claims[p]
		switch {
		case claim&kern.Own == 0 && (claim&kern.Routed == 0 || r.claims.Wider(p)&kern.Routed != 0):
		case len(t.To)+len(t.From) >= api.MaxTakes:
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
