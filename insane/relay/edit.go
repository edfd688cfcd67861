package relay

import (
	"strings"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Edit returns the rules after a change, which it does not carry out. The error is an
// *api.Error that names the member at fault.
func (p *Pair) Edit(c api.RulesChange) (after policy.Rules, err error) {
	given, at := 0, ""
	edit := func(member string, text *string, f func(string) (policy.Rules, error)) {
		if text == nil {
			return
		}
		if given++; given == 1 {
			at = member
			after, err = f(*text)
		}
	}
	edit("add", c.Add, func(text string) (policy.Rules, error) { return p.add(text, c.Before) })
	edit("set", c.Set, p.set)
	edit("delete", c.Delete, p.Rules().Delete)
	edit("load", c.Load, func(text string) (policy.Rules, error) { return policy.ParseRules(text, "rules") })
	switch {
	case given != 1:
		return nil, api.Errorf(api.ErrInvalid, "", "body: want exactly one of add, set, delete and load")
	case c.Before != nil && c.Add == nil:
		return nil, api.Errorf(api.ErrInvalid, "before", "before: %s: only with add", api.ShowText(*c.Before))
	case err != nil:
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
