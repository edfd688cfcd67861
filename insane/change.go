package insane

import (
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// plan is a change of which every member was found possible. It is made and carried
// out under one lock, so that nothing can make it impossible in between but the kernel.
type plan struct {
	slave   *host.Link // nil: stays
	receive string     // mode; the present one if it stays
	tx, rx  *policy.Policy
	seed    *uint64
}

// Set changes the device: all of what is given, or nothing. It returns the
// state read back, which is what the kernel does by then. Errors are *api.Error where
// the request is at fault. It may be called before Run, and by many at a time: changes
// follow each other.
func (d *Device) Set(c api.Change) (api.Info, error) {
	_, after, err := d.Change(c)
	return after, err
}

// Change is Set that also returns the state before, with no other change in
// between. It takes three steps: check finds errors before anything has changed,
// connect does what the kernel can refuse and undoes it then, and swap cannot fail.
// A change of policies alone does not look at the host. Change waits for other
// changes, and for the kernel; State does not wait for Change.
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
	moved, err := d.connect(p)
	if err != nil {
		return before, after, err
	}
	d.swap(p)
	if moved || d.apply(d.seen) {
		d.refresh()
	}
	return before, d.State(), nil
}

// check finds out whether each member of a change is possible, and changes
// nothing but that eBPF objects are loaded, if a receive mode needs them. The error
// is an *api.Error that names the member, unless the kernel fails.
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
// the slave and the policy of rx that it leads to: each can make the others
// impossible. A change that names none of the three is not checked again.
func (d *Device) checkReceiving(c api.Change, p plan) (mode string, err error) {
	mode, rx, link := api.ReceiveNone, d.rx.Ruleset().Policy, host.Link{}
	if d.tap != nil {
		mode, link = d.receive.mode, d.slave.Link
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
// both stay. It reports whether one of them is another one now: then the host must be
// looked at, and until that is done the relay carries everything.
func (d *Device) connect(p plan) (moved bool, err error) {
	before := d.changes
	switch {
	case p.slave != nil:
		err = d.attach(*p.slave, p.receive)
	case d.tap != nil:
		err = d.switchMode(p.receive)
	}
	return d.changes != before, err
}

// swap makes the policies and the seed those of the plan. It cannot fail. A policy
// whose text is the same as before begins a new phase, and the numbers of packets go
// on; with a seed they begin at 0 again, and the phase goes on.
func (d *Device) swap(p plan) {
	now := d.clock()
	if p.seed != nil {
		d.seed = *p.seed
		d.tx.Reseed(d.seedOf(d.tx))
		d.rx.Reseed(d.seedOf(d.rx))
	}
	if p.tx != nil {
		d.tx.SetPolicy(*p.tx, now, d.seedOf(d.tx))
	}
	if p.rx != nil {
		d.rx.SetPolicy(*p.rx, now, d.seedOf(d.rx))
	}
}

// parse reads a policy text that may be absent. field names the member in an error,
// which is an *api.Error if the text is at fault.
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
