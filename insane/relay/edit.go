package relay

import (
	"strings"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Edit returns the rules after a change, which it does not carry out. The error is an
// *api.Error that names the member at fault.
func (p *Pair) Edit(c api.RulesChange) (after policy.Rules, err error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	at := ""
	switch {
	case c.Add != nil:
		at = "add"
		after, err = p.add(*c.Add, c.Before)
	case c.Set != nil:
		at = "set"
		after, err = p.set(*c.Set)
	case c.Delete != nil:
		at = "delete"
		after, err = p.Rules().Delete(*c.Delete)
	default:
		at = "load"
		after, err = policy.ParseRules(*c.Load, "rules")
	}
	if err != nil {
		return nil, api.Errorf(api.ErrInvalid, at, "%v", err)
	}
	return after, nil
}

// add returns the rules with another one.
func (p *Pair) add(text string, before *string) (policy.Rules, error) {
	rule, err := policy.ParseRule(strings.Fields(text))
	if err != nil {
		return nil, err
	}
	if before == nil {
		return p.Rules().Add(rule, "")
	}
	return p.Rules().Add(rule, *before)
}

// set returns the rules with other policies of one: "NAME tx|rx|both POLICY".
func (p *Pair) set(text string) (policy.Rules, error) {
	rule, err := policy.ParsePolicies(strings.Fields(text))
	if err != nil {
		return nil, err
	}
	return p.Rules().Set(rule.Name, rule.TX, rule.RX)
}
