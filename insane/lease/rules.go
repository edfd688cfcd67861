package lease

import (
	"strings"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Edit returns the leases after an edit of the rules without a lease, which is carried out in
// the rules to return to as well; after are the rules in force after it. A rule that these do
// not have becomes part of them, as it is now. To delete a rule that they do not have does
// nothing to them. New rules from a file end the lease. The error is an *api.Error: there is no
// room for a rule in the rules to return to.
func (ls Leases) Edit(c api.RulesChange, after policy.Rules) (Leases, error) {
	l, there := ls.Find(api.MemberRules)
	switch {
	case !there:
		return ls, nil
	case c.Load != nil:
		return ls.Without(api.MemberRules), nil
	}
	rules, err := edited(l.Rules, c, after)
	if err != nil {
		return nil, api.Errorf(api.ErrInvalid, "rules", "the rules to return to when the lease ends: %v", err)
	}
	return ls.Replace(rules), nil
}

// Replace returns the leases with other rules to return to. Without a lease of the rules it
// does nothing.
func (ls Leases) Replace(rules policy.Rules) Leases {
	l, there := ls.Find(api.MemberRules)
	if !there {
		return ls
	}
	l.Rules, l.To = rules, Count(len(rules))
	return ls.with(l)
}

// edited returns the rules to return to after an edit that was carried out in others.
func edited(rules policy.Rules, c api.RulesChange, after policy.Rules) (policy.Rules, error) {
	switch {
	case c.Add != nil:
		name := firstWord(*c.Add)
		if _, there := rules.Find(name); there {
			rules, _ = rules.Delete(name) // cannot fail: it is there
		}
		return insert(rules, name, after)
	case c.Set != nil:
		set, err := policy.ParsePolicies(strings.Fields(*c.Set))
		if err != nil {
			return nil, err
		}
		if _, there := rules.Find(set.Name); there {
			return rules.Set(set.Name, set.TX, set.RX)
		}
		return insert(rules, set.Name, after)
	case c.Delete != nil:
		if _, there := rules.Find(*c.Delete); there {
			return rules.Delete(*c.Delete)
		}
	}
	return rules, nil
}

// firstWord returns the first word of a text; "" if it has none.
func firstWord(text string) string {
	for word := range strings.FieldsSeq(text) {
		return word
	}
	return ""
}

// insert returns rules with the rule of this name that after has. It comes in front of the first
// rule behind it in after that is also one of rules; if there is none, at the end.
func insert(rules policy.Rules, name string, after policy.Rules) (policy.Rules, error) {
	place, there := after.Find(name)
	if !there {
		return rules, nil // nobody asks for it
	}
	before := ""
	if len(rules) > 0 {
		names := make(map[string]bool, len(rules))
		for i := range rules {
			names[rules[i].Name] = true
		}
		for _, r := range after[place+1:] {
			if names[r.Name] {
				before = r.Name
				break
			}
		}
	}
	return rules.Add(after[place], before)
}
