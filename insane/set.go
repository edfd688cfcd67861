package insane

import (
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// plan is a change of which every member was found possible.
type plan struct {
	slave   *host.Link // nil: stays
	receive string     // mode; the present one if it stays
	tx, rx  *policy.Policy
	seed    *uint64
}

// Set changes the device: all of what is given, or nothing. It returns the
// state read back. Errors are *api.Error where the request is at fault.
func (d *Device) Set(c api.Change) (api.Info, error) {
	_, after, err := d.Change(c)
	return after, err
}

// Change is Set that also returns the state before, with no other change in
// between.
func (d *Device) Change(c api.Change) (before, after api.Info, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return before, after, api.Errorf(api.ErrInternal, "", "%s is being taken down", d.name)
	}
	p, err := d.check(c)
	if err != nil {
		return before, after, err
	}
	before = d.State()
	if err := d.connect(p); err != nil {
		return before, after, err
	}
	d.apply(p)
	return before, d.State(), nil
}

// check finds out whether each member of a change is possible, and changes
// nothing.
func (d *Device) check(c api.Change) (p plan, err error) {
	if p.tx, err = parse("tx", c.TX); err != nil {
		return plan{}, err
	}
	if p.rx, err = parse("rx", c.RX); err != nil {
		return plan{}, err
	}
	p.seed = c.Seed
	if c.Slave != nil {
		link, err := d.checkSlave(*c.Slave)
		if err != nil {
			return plan{}, err
		}
		p.slave = &link
	}
	p.receive, err = d.checkReceiving(c, p)
	return p, err
}

// checkReceiving checks the receive mode that a change leads to, together with
// the slave and the policy of rx that it leads to.
func (d *Device) checkReceiving(c api.Change, p plan) (mode string, err error) {
	mode, rx, link := api.ReceiveNone, d.rx.rule.Load().policy, host.Link{}
	if d.host != nil {
		mode, link = d.host.receive.mode, d.host.slave.link
	}
	if c.Receive == nil && p.slave == nil && p.rx == nil {
		return mode, nil
	}
	if c.Receive != nil {
		mode = *c.Receive
	}
	if p.slave != nil {
		link = *p.slave
	}
	if p.rx != nil {
		rx = *p.rx
	}
	return mode, d.checkReceive(mode, link, rx)
}

// connect makes the slave and the receive mode those of the plan; on any error
// both stay.
func (d *Device) connect(p plan) error {
	if p.slave != nil {
		return d.attach(*p.slave, p.receive)
	}
	if d.host == nil {
		return nil
	}
	return d.switchMode(p.receive)
}

// parse reads a policy text that may be absent.
func parse(field string, text *string) (*policy.Policy, error) {
	if text == nil {
		return nil, nil
	}
	p, err := policy.Parse(*text)
	var bad *policy.FieldError
	if errors.As(err, &bad) {
		return nil, api.Errorf(api.ErrInvalid, field, "%s: %v", field, bad)
	}
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", field, err)
	}
	return &p, nil
}

// apply swaps the rules. It cannot fail.
func (d *Device) apply(p plan) {
	defer d.steer()
	now := d.clock()
	if p.seed != nil {
		d.seed = *p.seed
		d.reseed(d.tx)
		d.reseed(d.rx)
	}
	if p.tx != nil {
		d.setRule(d.tx, *p.tx, now)
	}
	if p.rx != nil {
		d.setRule(d.rx, *p.rx, now)
	}
}
