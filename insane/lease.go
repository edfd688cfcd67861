package insane

import (
	"github.com/seed-39a139a1/insane/insane/session"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// leased is a device, for the keeper of its leases. The caller holds d.mu.
type leased struct{ *Device }

// State implements keeper.Device: it is what the device will tell next.
func (l leased) State() api.Info { return l.tell(l.show()) }

// Return implements keeper.Device. It is a change like one that a user asks for, but that the
// device may also come to be without a slave.
func (l leased) Return(c api.Change, rules policy.Rules, done func()) error {
	detach := c.Slave != nil && *c.Slave == ""
	if detach {
		c.Slave = nil
	}
	p, err := l.check(c, nil)
	if err != nil {
		return err
	}
	if p.detach = detach; rules != nil {
		p.rules = rules
	}
	return l.carry(p, done)
}

// passing returns what makes the rules to return to pass a session, as those of a plan do. The
// rule for it in front of these, which are one more then than without, is added there as well.
func (d *Device) passing(text *string, p plan, without int) func(policy.Rules) policy.Rules {
	return func(rules policy.Rules) policy.Rules {
		if len(p.rules) > without {
			rules = session.Add(p.rules[0], rules)
		}
		rules, _ = d.protect(text, p, rules) // cannot fail: the session was found to be right
		return rules
	}
}

// expire ends the leases whose time has come. It returns false when the device is closed.
func (d *Device) expire() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begin() == nil
}

// Confirm keeps what waits for a confirmation. The error is api.ErrNoLease if nothing waits. It
// waits like Change, and may be called like it.
func (d *Device) Confirm(by *api.Peer) (api.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(); err != nil {
		return api.Info{}, err
	}
	err := d.leases.Confirm(leased{d}, by)
	d.publish()
	return d.State(), err
}

// Log returns the last changes from a number on. It waits for nothing.
func (d *Device) Log(from uint64) api.LogPage { return d.leases.Log(from) }
