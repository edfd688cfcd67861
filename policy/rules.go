package policy

import (
	"slices"
	"strconv"

	"github.com/seed-39a139a1/insane/policy/match"
)

// Rules is the ordered list of the rules of a device. In each direction, the first rule that
// looks at the direction and whose match a packet fits judges the packet; the direction's own
// policy judges the others. A list is never changed: what edits it returns another one.
//
// The errors of all edits are *[FieldError]; then the result is nil and nothing has changed.
type Rules []Rule

// MaxRules is the most rules of a list.
const MaxRules = match.MaxRules

// Find returns the place of the rule with a name.
func (rs Rules) Find(name string) (place int, ok bool) {
	place = slices.IndexFunc(rs, func(r Rule) bool { return r.Name == name })
	return place, place >= 0
}

// Add returns the list with another rule in front of the rule with the name before, or at the
// end if before is empty. The rule must be one that ParseRule has made.
func (rs Rules) Add(r Rule, before string) (Rules, error) {
	place := len(rs)
	if before != "" {
		var ok bool
		if place, ok = rs.Find(before); !ok {
			return nil, missing(before)
		}
	}
	if _, ok := rs.Find(r.Name); ok {
		return nil, &FieldError{"rule", r.Name, "exists already"}
	}
	if len(rs) >= MaxRules {
		return nil, tooMany(r.Name)
	}
	return slices.Insert(slices.Clone(rs), place, r), nil
}

// Set returns the list with other policies of the rule with a name, which keeps its place. A
// policy that is nil stays as it is.
func (rs Rules) Set(name string, tx, rx *Policy) (Rules, error) {
	place, ok := rs.Find(name)
	if !ok {
		return nil, missing(name)
	}
	rs = slices.Clone(rs)
	if tx != nil {
		rs[place].TX = tx
	}
	if rx != nil {
		rs[place].RX = rx
	}
	return rs, nil
}

// Delete returns the list without the rule with a name.
func (rs Rules) Delete(name string) (Rules, error) {
	place, ok := rs.Find(name)
	if !ok {
		return nil, missing(name)
	}
	return slices.Delete(slices.Clone(rs), place, place+1), nil
}

// missing refuses a name that no rule has.
func missing(name string) error { return &FieldError{"rule", name, "does not exist"} }

// tooMany refuses a rule for which there is no room.
func tooMany(name string) error {
	return &FieldError{"rule", name, "there are " + strconv.Itoa(MaxRules) + " rules, and no more are allowed"}
}
