package insane

import (
	"cmp"
	"net/netip"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/insane/session"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// plan is a change whose members are all found possible. Device.Change makes it and carries
// it out under one lock, so that only the kernel can make it impossible in between. A nil
// member does not change.
type plan struct {
	slave   *host.Link // nil: the slave stays
	detach  bool       // without a new slave: there is none afterwards
	receive string     // the receive mode after the change
	tx, rx  *policy.Policy
	seed    *uint64
	judge   *bool // neighbours
	rules   policy.Rules
	replay  *replay.Table // nil: none begins
}

// Set changes the device: either all members of c or none. It returns the state after the
// change. The error is an *api.Error if the request is at fault. Set waits like Change and
// may be called at any time, by any goroutine.
func (d *Device) Set(c api.Change) (api.Info, error) {
	_, after, err := d.Change(c, nil)
	return after, err
}

// Change does the same as Set for somebody, and also returns the state before the change; no
// other change comes in between. With a lease, the device returns by itself (package lease).
// Change waits for other changes and for the kernel; State does not wait for Change.
func (d *Device) Change(c api.Change, by *api.Peer) (before, after api.Info, err error) {
	return d.change(c, by, nil)
}

// change is Change, and Replay with a recording that is not nil.
func (d *Device) change(c api.Change, by *api.Peer, r *replayed) (before, after api.Info, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(); err != nil {
		return before, after, err
	}
	p, err := d.check(c, r)
	if err != nil {
		return before, after, err
	}
	before = d.State()
	err = d.carry(p, func() { d.noted(c, by, p, r, before) })
	return before, d.State(), err
}

// noted notes a change that was carried out by a plan, for its leases and the log. A replay changes the
// rules as a file of rules does.
func (d *Device) noted(c api.Change, by *api.Peer, p plan, r *replayed, before api.Info) {
	after := leased{d}.State()
	pass := d.passing(c.Session, p, before.Rules)
	if r != nil {
		load := api.RulesChange{Load: &r.name}
		pass = d.passing(c.Session, p, len(r.rules))
		leases, _ := d.leases.Edit(load, nil, p.rules) // cannot fail: nothing is left to return to
		d.leases.RulesChanged(load, by, leases, before.Rules, after.Rules, pass)
		after.Rules = before.Rules // told already
	}
	d.leases.Changed(c, by, before, after, pass)
}

// begin has the leases ended whose time has come, so that a change finds what should be there.
// The error says that the device is closed.
func (d *Device) begin() error {
	if d.closed.Load() {
		return api.Errorf(api.ErrInternal, "", "%s is being taken down", d.name)
	}
	d.leases.Expire(leased{d})
	return nil
}

// carry carries a plan out, or nothing of it. It takes two steps: connect does what the kernel
// can refuse, and undoes it if the kernel refuses; swap cannot fail. done is called before others
// see the new policies. A change of policies alone does not look at the host.
func (d *Device) carry(p plan, done func()) error {
	moved, err := d.connect(p)
	if err != nil {
		return err
	}
	d.swap(p)
	done()
	if moved || d.apply(d.seen) {
		d.refresh()
		d.reread()
	}
	return nil
}

// check finds out whether each member of a change is possible. It changes nothing, except
// that it loads the eBPF objects if a receive mode needs them. r is a recording that is to be
// replayed; nil: there is none. The error is an *api.Error that names the member, unless the kernel
// fails.
func (d *Device) check(c api.Change, r *replayed) (p plan, err error) {
	if p.tx, err = relay.ParsePolicy("tx", c.TX); err != nil {
		return plan{}, err
	}
	if p.rx, err = relay.ParsePolicy("rx", c.RX); err != nil {
		return plan{}, err
	}
	if _, err := c.Term(); err != nil {
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
	rules := d.pair.Rules()
	if r != nil {
		p.replay, rules = r.table, r.rules
	}
	p.rules, err = d.protect(c.Session, p, rules)
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
		mode, link = d.receive.Mode, d.slave.Link
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
	case p.detach:
		d.detach()
		fallthrough
	case d.tap != nil:
		err = d.switchMode(p.receive)
	}
	return d.changes != before, err
}

// swap sets the policies, the seed and the replay of the plan. It cannot fail. A policy begins a new
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
	if p.replay != nil {
		d.pair.Replay(p.replay)
	}
}

// ChangeRules changes the rules as a whole or not at all. It waits like Change, and may be
// called like it.
func (d *Device) ChangeRules(c api.RulesChange, by *api.Peer) (changed api.RulesChanged, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(); err != nil {
		return changed, err
	}
	before, p := d.pair.Rules(), plan{receive: d.receive.Mode}
	if p.rules, err = d.pair.Edit(c); err != nil {
		return changed, err
	}
	edited := len(p.rules)
	leases, err := d.leases.Edit(c, before, p.rules)
	if err == nil {
		p.rules, err = d.protect(c.Session, p, p.rules)
	}
	if err == nil {
		err = d.carry(p, func() {
			changed = d.pair.Changed()
			d.leases.RulesChanged(c, by, leases, len(before), changed.Total, d.passing(c.Session, p, edited))
		})
	}
	return changed, err
}
