package insane

import (
	"cmp"
	"net/netip"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insane/session"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// plan is a change whose members are all found possible. Device.Change makes it and carries
// it out under one lock, so that only the kernel can make it impossible in between. A nil
// member does not change.
type plan struct {
	slave   *host.Link // nil: the slave stays
	receive string     // the receive mode after the change
	tx, rx  *policy.Policy
	seed    *uint64
	judge   *bool // neighbours
	rules   policy.Rules
}

// Set changes the device: either all members of c or none. It returns the state after the
// change. The error is an *api.Error if the request is at fault. Set waits like Change and
// may be called at any time, by any goroutine.
func (d *Device) Set(c api.Change) (api.Info, error) {
	_, after, err := d.Change(c)
	return after, err
}

// Change does the same as Set and also returns the state before the change; no other change
// comes in between. It takes three steps: check finds errors before anything has changed;
// connect does what the kernel can refuse, and undoes it if the kernel refuses; swap cannot
// fail. A change of policies alone does not look at the host. Change waits for other
// changes and for the kernel; State does not wait for Change.
func (d *Device) Change(c api.Change) (before, after api.Info, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed.Load() {
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
		d.reread()
	}
	return before, d.State(), nil
}

// check finds out whether each member of a change is possible. It changes nothing, except
// that it loads the eBPF objects if a receive mode needs them. The error is an *api.Error
// that names the member, unless the kernel fails.
func (d *Device) check(c api.Change) (p plan, err error) {
	if p.tx, err = relay.ParsePolicy("tx", c.TX); err != nil {
		return plan{}, err
	}
	if p.rx, err = relay.ParsePolicy("rx", c.RX); err != nil {
		return plan{}, err
	}
	p.judge = c.JudgeNeighbours
	if p.seed, err = c.WantedSeed(); err != nil {
		return plan{}, err
	}
	if c.Slave != nil {
		if d.tap == nil {
			return plan{}, api.Errorf(api.ErrInvalid, "slave", "slave: %q: the device has its ports already", *c.Slave)
		}
		link, err := d.finder().Find(*c.Slave)
		if err != nil {
			return plan{}, err
		}
		p.slave = &link
	}
	if p.receive, err = d.checkReceiving(c, p); err != nil {
		return p, err
	}
	p.rules, err = d.protect(c.Session, p, d.pair.Rules())
	return p, err
}

// protect returns rules that pass the session of the person who asks for a plan.
func (d *Device) protect(text *string, p plan, rules policy.Rules) (policy.Rules, error) {
	tx, rx := cmp.Or(p.tx, d.tx.Ruleset().Policy), cmp.Or(p.rx, d.rx.Ruleset().Policy)
	through := func(to, source netip.Addr) bool {
		return d.tap != nil && d.links.LeavesBy(to, source) == d.iface.Index()
	}
	return session.Way{Through: through, Receive: p.receive, TX: tx, RX: rx}.Protect(text, rules)
}

// checkReceiving returns the receive mode after a change. It checks that mode together with
// the slave and the policy of rx after the change.
func (d *Device) checkReceiving(c api.Change, p plan) (mode string, err error) {
	mode, rx, link := api.ReceiveNone, *d.rx.Ruleset().Policy, host.Link{}
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

// connect attaches the slave of the plan and sets its receive mode; on any error both stay
// as they were. moved is true if one of them has changed.
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

// swap sets the policies and the seed of the plan. It cannot fail. A policy begins a new
// phase even if its text is the same as before, and the packet numbers continue. A seed
// restarts the packet numbers at 0, and the phase continues.
func (d *Device) swap(p plan) {
	now := d.clock()
	d.pair.JudgeNeighbours(p.judge)
	if p.seed != nil {
		d.pair.Reseed(*p.seed)
	}
	d.pair.SetRules(p.rules, now)
	d.pair.SetPolicies(p.tx, p.rx, now)
}

// ChangeRules changes the rules as a whole or not at all. It waits like Change, and may be
// called like it.
func (d *Device) ChangeRules(c api.RulesChange) (api.RulesChanged, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed.Load() {
		return api.RulesChanged{}, api.Errorf(api.ErrInternal, "", "%s is being taken down", d.name)
	}
	rules, err := d.pair.Edit(c)
	if err == nil {
		rules, err = d.protect(c.Session, plan{receive: d.receive.mode}, rules)
	}
	if err != nil {
		return api.RulesChanged{}, err
	}
	d.pair.SetRules(rules, d.clock())
	if d.apply(d.seen) {
		d.refresh()
		d.reread()
	}
	return d.pair.Changed(), nil
}
