package api

import (
	"time"
)

// PathConfirm is the path of a request that keeps what waits for a confirmation.
const PathConfirm = "/v1/confirm"

// The limits of the times of a lease.
const (
	MinLease = time.Millisecond
	MaxLease = 365 * 24 * time.Hour
)

// Names of the members of a device that a change can have, in the order in which they are
// shown. They are those of Change and Info.
const (
	MemberSlave           = "slave"
	MemberReceive         = "receive"
	MemberTX              = "tx"
	MemberRX              = "rx"
	MemberSeed            = "seed"
	MemberJudgeNeighbours = "judgeNeighbours"
	MemberRules           = "rules"
)

// Members lists the members, in this order.
func Members() []string {
	return []string{MemberSlave, MemberReceive, MemberTX, MemberRX, MemberSeed, MemberJudgeNeighbours, MemberRules}
}

// Term says when a change ends by itself; each time counts from the change. The zero Term is
// that of a change that stays.
type Term struct {
	For     time.Duration // it ends after this time; 0: never
	Confirm time.Duration // it ends after this time, unless somebody confirms it; 0: it waits for nobody
}

// ParseLease reads a time of a lease: from MinLease to MaxLease, as time.ParseDuration reads
// it. The error says what is wanted, and does not contain the text.
func ParseLease(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < MinLease || d > MaxLease {
		return 0, errLease
	}
	return d, nil
}

// errLease refuses a time of a lease.
var errLease = Errorf(ErrInvalid, "", "want a time from 1ms to 8760h, such as 90s, 10m or 1h30m")

// readTerm returns the term of a change from its members for and confirm. empty says that the
// change has no other members. The error is an *Error that names the member.
func readTerm(span, confirm *string, empty bool) (t Term, err error) {
	for _, member := range []struct {
		name string
		text *string
		to   *time.Duration
	}{{"for", span, &t.For}, {"confirm", confirm, &t.Confirm}} {
		if member.text == nil {
			continue
		}
		if *member.to, err = ParseLease(*member.text); err != nil {
			return Term{}, Errorf(ErrInvalid, member.name, "%s: %.64q: %v", member.name, *member.text, err)
		}
		if empty {
			return Term{}, Errorf(ErrInvalid, member.name, "%s: %q: only with a change", member.name, *member.text)
		}
	}
	return t, nil
}

// Term returns when the change ends by itself. The error is an *Error that names the member.
func (c Change) Term() (Term, error) {
	rest := c
	rest.For, rest.Confirm, rest.Session = nil, nil, nil
	return readTerm(c.For, c.Confirm, rest == Change{})
}

// Term does the same for a change of the rules.
func (c RulesChange) Term() (Term, error) { return readTerm(c.For, c.Confirm, false) }

// Lease says of one member of a device that it will return by itself to what it was.
type Lease struct {
	Member string `json:"member"` // one of the Member… names
	To     string `json:"to"`     // the value to return to, as text; of rules, how many
	// Remaining is the time in nanoseconds until it returns if nobody does anything.
	Remaining int64 `json:"remaining"`
	// Unconfirmed says that it waits for a confirmation. If that comes in time, it returns
	// after IfConfirmed instead of Remaining; 0: it stays.
	Unconfirmed bool  `json:"unconfirmed"`
	IfConfirmed int64 `json:"ifConfirmed,omitempty"`
}
