package policy

import (
	"strings"

	"github.com/seed-39a139a1/insane/policy/match"
	"github.com/seed-39a139a1/insane/policy/unit"
)

// Direction is one of the two directions of a device.
type Direction uint8

const (
	TX Direction = iota // host → slave
	RX                  // slave → host
)

// String returns the word for the direction in a rule: "tx" or "rx".
func (d Direction) String() string { return [...]string{"tx", "rx"}[d] }

// both is the word for both directions in a rule.
const both = "both"

// Rule says which packets a policy is for. It is never changed, only replaced; this is also
// true of its policies. The zero value is no rule; [ParseRule] makes one.
type Rule struct {
	Name  string // unique in a list of rules; see CheckName
	Match match.Match

	// TX and RX are the policies of the two directions, one of them at least. nil: the rule
	// does not look at packets of that direction.
	TX, RX *Policy
}

// Policy returns the policy for a direction; nil if the rule does not look at it.
func (r *Rule) Policy(d Direction) *Policy {
	if d == RX {
		return r.RX
	}
	return r.TX
}

// DefaultRule is the name of what judges the packets that no rule is for: the direction's own
// policy. No rule can have it.
const DefaultRule = "default"

// before is the word in front of the name of the rule before which a new one is put.
const before = "before"

// maxName is the most bytes that the name of a rule may have.
const maxName = 32

// CheckName returns an error if a rule cannot have this name. A name has letters, digits, "-",
// "_" and ".", begins with a letter or a digit, and has at most 32 bytes. The words tx, rx,
// both, before and default are no names. Words of a match are: "syn" is a good name. The error
// is a *[FieldError].
func CheckName(name string) error {
	why := ""
	switch {
	case name == "":
		why = "is empty"
	case len(name) > maxName:
		why = "must not be longer than " + unit.Number(maxName).String() + " bytes"
	case strings.Trim(name, alphanumeric+"-_.") != "" || !strings.Contains(alphanumeric, name[:1]):
		why = "must have only letters, digits, -, _ and ., and begin with a letter or a digit"
	case name == DefaultRule:
		why = "is the name of the direction's own policy"
	case isDirection(name) || name == before:
		why = "is a word of the grammar; want a name in front of it"
	default:
		return nil
	}
	return &FieldError{"rule", name, why}
}

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// RuleUsage is how a rule is written, for help pages and error messages.
const RuleUsage = "NAME MATCH tx|rx|both POLICY"

// ParseRule reads the words of a rule: its name, its match, and the policy of one direction or
// of both, as in
//
//	api tcp host 10.1.2.3 port 443 tx percent 95 rx percent 99 delay 30ms
//
// The error is a *[FieldError]; then the Rule is the zero Rule.
func ParseRule(words []string) (Rule, error) {
	if len(words) == 0 {
		return Rule{}, &FieldError{"rule", "", "is empty; want " + RuleUsage}
	}
	r := Rule{Name: words[0]}
	if err := CheckName(r.Name); err != nil {
		return Rule{}, err
	}
	matching, policies := cutAtDirection(words[1:])
	m, err := match.Parse(matching)
	if bad, ok := err.(*match.FieldError); ok {
		return Rule{}, (*FieldError)(bad)
	}
	r.Match = m
	if len(policies) == 0 {
		return Rule{}, &FieldError{"rule", strings.Join(words, " "), "incomplete; want " + RuleUsage}
	}
	if err := r.setAll(policies); err != nil {
		return Rule{}, err
	}
	return r, nil
}

// setAll reads policies, each behind its direction.
func (r *Rule) setAll(policies []string) error {
	for len(policies) > 0 {
		direction := policies[0]
		var text []string
		text, policies = cutAtDirection(policies[1:])
		if err := r.set(direction, text); err != nil {
			return err
		}
	}
	return nil
}

// ParsePolicies reads the name of a rule and policies that it is to have, as in "dns rx pass".
// The result has no match. The error is a *[FieldError]; then the Rule is the zero Rule.
func ParsePolicies(words []string) (Rule, error) {
	if len(words) < 2 {
		return Rule{}, &FieldError{"rule", strings.Join(words, " "), "incomplete; want NAME tx|rx|both POLICY"}
	}
	if !isDirection(words[1]) {
		return Rule{}, &FieldError{"direction", words[1], "want tx, rx or both"}
	}
	r := Rule{Name: words[0]}
	return r, r.setAll(words[1:])
}

// set reads the policy for a direction, or for both.
func (r *Rule) set(direction string, text []string) error {
	p, err := Parse(strings.Join(text, " "))
	if bad, ok := err.(*FieldError); ok {
		return &FieldError{direction + " " + bad.Field, bad.Value, bad.Why}
	}
	for _, d := range []Direction{TX, RX} {
		if direction != both && direction != d.String() {
			continue
		}
		if r.Policy(d) != nil {
			return &FieldError{direction, p.String(), d.String() + " has a policy already"}
		}
		if d == TX {
			r.TX = &p
		} else {
			r.RX = &p
		}
	}
	return nil
}

// isDirection reports whether a word says for which direction a policy is.
func isDirection(word string) bool {
	return word == both || word == TX.String() || word == RX.String()
}

// cutAtDirection splits words in front of the first one that is a direction.
func cutAtDirection(words []string) (before, from []string) {
	for i, word := range words {
		if isDirection(word) {
			return words[:i], words[i:]
		}
	}
	return words, nil
}

// String is the canonical text of the rule, whose words ParseRule reads.
func (r Rule) String() string { return r.Name + " " + r.body() }

// body returns what follows the name.
func (r *Rule) body() string {
	text := r.Match.String()
	if r.TX != nil && r.RX != nil && *r.TX == *r.RX {
		return text + " " + both + " " + r.TX.String()
	}
	for _, d := range []Direction{TX, RX} {
		if p := r.Policy(d); p != nil {
			text += " " + d.String() + " " + p.String()
		}
	}
	return text
}
